use std::future::Future;

use gabion_errors::Rejection;
use http::response;

use crate::Exchange;

/// One decision about a request.
///
/// Guards run in the order of their tuple, the cheapest refusal first; the first refusal is the
/// answer. Every guard stamps every response, also a refusal and also when an earlier guard refused:
/// what a guard wants to tell, it notes in the [`Exchange`] while it checks.
pub trait Guard: Send + Sync + 'static {
    /// Lets the request pass or refuses it.
    ///
    /// # Errors
    ///
    /// The refusal.
    fn check(&self, exchange: &mut Exchange) -> impl Future<Output = Result<(), Rejection>> + Send;

    /// Takes or gives back what became known only while the request was handled; called before the
    /// response is stamped, and only when there is a [late cost](crate::LateCost).
    fn settle(&self, _exchange: &mut Exchange) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Adds to the response's head.
    fn stamp(&self, _exchange: &Exchange, _response: &mut response::Parts) {}
}

impl<G: Guard> Guard for std::sync::Arc<G> {
    async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
        (**self).check(exchange).await
    }

    async fn settle(&self, exchange: &mut Exchange) {
        (**self).settle(exchange).await;
    }

    fn stamp(&self, exchange: &Exchange, response: &mut response::Parts) {
        (**self).stamp(exchange, response);
    }
}

macro_rules! sequences {
    ($( ($($guard:ident)+) )*) => {$(
        impl<$($guard: Guard),+> Guard for ($($guard,)+) {
            async fn check(&self, exchange: &mut Exchange) -> Result<(), Rejection> {
                #[expect(non_snake_case, reason = "the names of the types serve for the values")]
                let ($($guard,)+) = self;
                $($guard.check(exchange).await?;)+
                Ok(())
            }

            async fn settle(&self, exchange: &mut Exchange) {
                #[expect(non_snake_case, reason = "the names of the types serve for the values")]
                let ($($guard,)+) = self;
                $($guard.settle(exchange).await;)+
            }

            fn stamp(&self, exchange: &Exchange, response: &mut response::Parts) {
                #[expect(non_snake_case, reason = "the names of the types serve for the values")]
                let ($($guard,)+) = self;
                $($guard.stamp(exchange, response);)+
            }
        }
    )*};
}

sequences! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}
