/// What the bytes received so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// Not a whole answer yet.
    Partial,
    /// Exactly one answer.
    Whole {
        /// Its status.
        status: u16,
        /// Where its body begins.
        body: usize,
    },
    /// Not an answer to one request, or one without a length.
    Broken,
}

/// Reads status and length, and nothing else, in one pass.
pub(super) fn read(bytes: &[u8]) -> Reply {
    let mut status = None;
    let mut length = None;
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        if status.is_none() {
            let code = line.strip_prefix(b"HTTP/1.1 ").and_then(|line| line.get(..3));
            let Some(code) = code.and_then(number) else { return Reply::Broken };
            status = Some(code);
        } else if line.is_empty() {
            let (Some(status), Some(length)) = (status, length) else { return Reply::Broken };
            return match rest.len().cmp(&length) {
                std::cmp::Ordering::Less => Reply::Partial,
                std::cmp::Ordering::Equal => {
                    Reply::Whole { status: status as u16, body: bytes.len() - length }
                }
                std::cmp::Ordering::Greater => Reply::Broken,
            };
        } else if matches!(line.first(), Some(b'c' | b'C'))
            && let Some((name, value)) = line.split_at_checked(LENGTH.len())
            && name.eq_ignore_ascii_case(LENGTH)
        {
            length = number(value.trim_ascii());
        }
    }
    Reply::Partial
}

const LENGTH: &[u8] = b"content-length:";

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let text = b"HTTP/1.1 200 OK\r\ncache-control: no-store\r\nContent-Length: 4\r\n\r\nbody";
        for end in 0..text.len() {
            assert_eq!(read(&text[..end]), Reply::Partial, "{end}");
        }
        assert_eq!(read(text), Reply::Whole { status: 200, body: text.len() - 4 });
    }

    #[test]
    fn what_is_not_one_answer_is_broken() {
        for text in [
            "SSH-2.0\r\n",
            "HTTP/1.1 x\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert_eq!(read(text.as_bytes()), Reply::Broken, "{text}");
        }
    }
}
