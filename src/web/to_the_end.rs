//! What must not stop half way, although actix drops a handler whose asker hangs up.

use std::future::Future;

use tracing::Instrument;

use super::{ApiError, Code};

/// Carries something through to its end although the asker may hang up.
///
/// # Errors
/// 500: it panicked, or the server's thread has ended.
pub async fn to_the_end<T: 'static>(what: impl Future<Output = T> + 'static) -> Result<T, ApiError> {
    let broken = |_| ApiError::new(Code::Internal, "the server failed; its log has the details");
    actix_web::rt::spawn(what.in_current_span()).await.map_err(broken)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn it_goes_on_when_the_asker_is_gone() {
        actix_web::rt::System::new().block_on(async {
            let (go, wait) = oneshot::channel::<()>();
            let (done, is_done) = oneshot::channel();
            let asked = to_the_end(async move {
                wait.await.expect("told to go on");
                done.send("done")
            });
            assert!(asked.now_or_never().is_none(), "begun and dropped");
            go.send(()).expect("it is there still");
            assert_eq!(is_done.await, Ok("done"));
        });
    }
}
