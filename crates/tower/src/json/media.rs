use gabion_errors::{Problem, Rejection, types};
use http::{HeaderMap, header::CONTENT_TYPE};

/// Lets `application/json` pass, with no charset but UTF-8.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(media), None) = (types.next(), types.next()) else {
        return Err(refuse("exactly one Content-Type is needed, application/json"));
    };
    match media.to_str() {
        Ok(media) if is_json(media) => Ok(()),
        _ => Err(refuse("the body must be application/json")),
    }
}

fn is_json(media: &str) -> bool {
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.filter(|part| !part.is_empty()).all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

fn refuse(detail: &'static str) -> Rejection {
    Problem::new(&types::UNSUPPORTED_MEDIA_TYPE).detail(detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_read() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["", "text/plain", "application/json-seq", "application/json; charset=latin1"] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
