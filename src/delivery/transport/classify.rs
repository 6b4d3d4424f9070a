use std::error::Error;
use std::io;

use super::names::NoAddress;
use super::outcome::Failure;

/// Returns the failure for an error of reqwest, hyper or the system.
///
/// The failure contains no text that differs between systems or that names a port.
pub(crate) fn classify(outermost: &(dyn Error + 'static), secure: bool) -> Failure {
    let (mut connecting, mut unsent) = (false, false);
    let mut next = Some(outermost);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            connecting = error.is_connect();
            if connecting && error.is_timeout() {
                return Failure::ConnectTimedOut;
            }
        } else if let Some(NoAddress(name)) = error.downcast_ref() {
            return Failure::Dns(name.clone());
        } else if let Some(failure) = error.downcast_ref().and_then(of_http) {
            return failure;
        } else if let Some(failure) = error.downcast_ref().and_then(|error| of_io(error, secure && connecting)) {
            return failure;
        }
        unsent |= error.downcast_ref().is_some_and(hyper::Error::is_canceled);
        next = inner(error);
    }
    // The connection ended before the request went out, and the reason is not known.
    if unsent { Failure::Closed } else { Failure::Broken(reason(outermost)) }
}

/// Returns the message of the innermost error.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(wrapped) = inner(error) {
        error = wrapped;
    }
    error.to_string()
}

/// Returns the error inside this one. For an `io::Error`, `source` returns the source of the wrapped error, not the
/// wrapped error itself.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Returns why there is no secure connection.
fn reason_of_tls(error: &io::Error) -> String {
    #[cfg(feature = "tls")]
    if let Some(why) = error.get_ref().and_then(|error| error.downcast_ref()).and_then(super::trust::explain) {
        return why;
    }
    reason(error)
}

fn of_http(error: &hyper::Error) -> Option<Failure> {
    if error.is_parse_too_large() {
        Some(Failure::NotHttp("the head is too long".to_owned()))
    } else if error.is_parse() {
        Some(Failure::NotHttp(error.to_string()))
    } else if error.is_incomplete_message() {
        Some(Failure::Closed)
    } else if error.source().is_none() && error.to_string().contains("unexpected message") {
        // The receiver sent data before the request. hyper has no method for this case.
        Some(Failure::NotHttp("the receiver sends data before it gets a request".to_owned()))
    } else if (error.is_canceled() || error.is_closed()) && error.source().is_none() {
        Some(Failure::Closed)
    } else {
        None
    }
}

fn of_io(error: &io::Error, handshake: bool) -> Option<Failure> {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidData, InvalidInput, TimedOut,
        UnexpectedEof,
    };
    match error.kind() {
        ConnectionRefused => Some(Failure::Refused),
        ConnectionReset | ConnectionAborted => Some(Failure::Reset),
        UnexpectedEof | InvalidData | InvalidInput if handshake => Some(Failure::Tls(reason_of_tls(error))),
        // A broken pipe is the error of writing after the other side has closed the connection.
        BrokenPipe | UnexpectedEof => Some(Failure::Closed),
        InvalidData | InvalidInput => Some(Failure::NotHttp(error.to_string())),
        TimedOut => Some(Failure::ConnectTimedOut),
        kind if error.raw_os_error().is_some() => Some(Failure::Broken(kind.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_their_class() {
        let of = |kind: io::ErrorKind| classify(&io::Error::from(kind), true);
        assert_eq!(of(io::ErrorKind::TimedOut), Failure::ConnectTimedOut);
        assert_eq!(of(io::ErrorKind::UnexpectedEof), Failure::Closed, "TLS is about connecting");
        #[cfg(target_os = "linux")]
        {
            let no_route = io::Error::from_raw_os_error(113);
            assert_eq!(classify(&no_route, false), Failure::Broken("host unreachable".to_owned()));
        }
        let wrapped = io::Error::other(io::Error::other("the innermost says why"));
        assert_eq!(classify(&wrapped, false), Failure::Broken("the innermost says why".to_owned()));
    }
}
