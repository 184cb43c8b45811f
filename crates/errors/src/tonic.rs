//! A `Rejection` as the `Status` of tonic, so that `?` works in the methods of a gRPC service; and back,
//! for a layer that logs its cause.

use std::{error::Error, fmt, sync::Arc};

use ::tonic::{Code, Status, metadata::MetadataMap};
use http::{Extensions, HeaderMap};

use crate::{Problem, Rejection};

/// A rejection as the source of a [`Status`]: it says what the client is told, its source is the cause.
///
/// The source of a status stays in the process; tonic sends only code, message, details and metadata.
#[derive(Debug, Clone)]
pub struct Carried(pub Arc<Rejection>);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.problem().detail_text())
    }
}

impl Error for Carried {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause().map(|cause| cause as _)
    }
}

impl From<Rejection> for Status {
    /// The code of [`Problem::grpc_code`], the public detail as the message, the details and metadata of
    /// [`Problem::grpc_headers`], and the rejection as the source.
    fn from(rejection: Rejection) -> Self {
        let problem = rejection.problem();
        let mut fields = HeaderMap::new();
        for (name, value) in problem.grpc_metadata().chain(problem.headers()) {
            fields.append(name, value);
        }
        let mut status = Self::with_details_and_metadata(
            code(problem),
            problem.detail_text(),
            problem.grpc_details().unwrap_or_default().into(),
            MetadataMap::from_headers(fields),
        );
        status.set_source(Arc::new(Carried(Arc::new(rejection))));
        status
    }
}

fn code(problem: &Problem) -> Code {
    Code::from_i32(problem.grpc_code())
}

/// The rejection that a status was made of.
#[must_use]
pub fn rejection_of(status: &Status) -> Option<&Arc<Rejection>> {
    let carried: &Carried = status.source()?.downcast_ref()?;
    Some(&carried.0)
}

/// Takes the rejection out of the response that tonic makes of a failed call: for the layers of
/// `gabion-tower`, which know nothing of tonic.
#[must_use]
pub fn take_rejection(response: &mut Extensions) -> Option<Arc<Rejection>> {
    rejection_of(response.get::<Status>()?)?;
    let status: Status = response.remove()?;
    rejection_of(&status).cloned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ToProblem, types};

    #[derive(Debug, thiserror::Error)]
    #[error("shard 7 of /var/lib/db is full")]
    struct Full;

    impl ToProblem for Full {
        fn to_problem(&self) -> Problem {
            Problem::new(&types::OVERLOADED).detail("no room").retry_after(Duration::from_secs(2))
        }
    }

    fn store() -> Result<(), Rejection> {
        Err(Full)?
    }

    fn method() -> Result<::tonic::Response<()>, Status> {
        store()?;
        Ok(::tonic::Response::new(()))
    }

    #[test]
    fn every_type_has_the_code_of_the_table() {
        for kind in types::ALL.iter().chain(types::plain::ALL) {
            let problem = Problem::new(kind);
            let wanted = problem.grpc_code();
            let status = Status::from(Rejection::new(problem));
            assert_eq!(status.code() as i32, wanted, "{}", kind.code);
            assert_eq!(status.message(), kind.meaning);
            assert_eq!(status.metadata().get("gabion-code").unwrap(), kind.code);
        }
    }

    #[test]
    fn a_rejection_becomes_a_status_by_the_question_mark() {
        let status = method().unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "no room"));
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "2000");
        assert_eq!(status.metadata().get("retry-after").unwrap(), "2");
        let retry_info = b"type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x02";
        assert!(status.details().ends_with(retry_info), "{:?}", status.details());
    }

    #[test]
    fn nothing_of_the_cause_is_sent() {
        let response = method().unwrap_err().into_http::<String>();
        let sent = format!("{:?} {}", response.headers(), response.body());
        assert!(
            sent.contains("no%20room") && !sent.contains("shard") && !sent.contains("var"),
            "{sent}"
        );
    }

    #[test]
    fn a_layer_above_finds_the_rejection_with_its_cause() {
        let mut response = method().unwrap_err().into_http::<String>();
        let rejection = take_rejection(response.extensions_mut()).unwrap();
        assert_eq!(rejection.cause_chain().unwrap(), Full.to_string());
        assert!(Arc::into_inner(rejection).is_some(), "it is the layer's alone");
    }

    #[test]
    fn a_status_of_another_make_stays_where_it_is() {
        let mut response = Status::not_found("no").into_http::<String>();
        assert!(take_rejection(response.extensions_mut()).is_none());
        assert!(response.extensions().get::<Status>().is_some());
    }
}
