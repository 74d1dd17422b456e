//! Registers handlers with their types erased.
//!
//! axum wraps each handler in a dozen generic layers, and the compiler proves for each of them that the whole future of the
//! handler can move between threads. With hundreds of handlers these proofs took a third of the time that this crate needs to
//! compile. Here a handler becomes a boxed function once, and axum's layers are compiled for one type.

use std::{convert::Infallible, pin::Pin, sync::Arc};

use axum::{
    extract::Request,
    handler::Handler,
    response::Response,
    routing::{self, MethodFilter, MethodRouter},
};

/// A handler that forgot its type.
struct Erased<S>(Arc<dyn Fn(Request, S) -> Answering + Send + Sync>);

/// The response that a handler is working on.
type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<S> Clone for Erased<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: 'static> Handler<(), S> for Erased<S> {
    type Future = Answering;

    fn call(self, request: Request, state: S) -> Answering {
        self.0(request, state)
    }
}

fn erased<H: Handler<T, S>, T, S: 'static>(handler: H) -> Erased<S> {
    Erased(Arc::new(move |request, state| {
        Box::pin(handler.clone().call(request, state))
    }))
}

/// Like [`axum::routing::get`].
pub fn get<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::get(erased(handler))
}

/// Like [`axum::routing::any`].
pub fn any<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::any(erased(handler))
}

/// Like [`axum::routing::post`].
pub fn post<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::post(erased(handler))
}

/// A page with a form: `show` answers GET, `save` answers POST.
pub fn form<H, T, J, U, S>(show: H, save: J) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    J: Handler<U, S>,
    S: Clone + Send + Sync + 'static,
{
    get(show).post(erased(save))
}

/// Like [`MethodRouter::on`].
pub fn on<H, T, S>(
    router: MethodRouter<S, Infallible>,
    methods: MethodFilter,
    handler: H,
) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    router.on(methods, erased(handler))
}
