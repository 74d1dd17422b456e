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
pub(crate) fn get<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::get(erased(handler))
}

/// Like [`axum::routing::any`].
pub(crate) fn any<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::any(erased(handler))
}

/// Like [`axum::routing::post`].
pub(crate) fn post<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    S: Clone + Send + Sync + 'static,
{
    routing::post(erased(handler))
}

/// A page with a form: `show` answers GET, `save` answers POST.
pub(crate) fn form<H, T, J, U, S>(show: H, save: J) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    J: Handler<U, S>,
    S: Clone + Send + Sync + 'static,
{
    get(show).post(erased(save))
}

/// Like [`MethodRouter::on`].
pub(crate) fn on<H, T, S>(
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

/// Like [`utoipa_axum::routes`], for handlers named `module::handler`.
macro_rules! routes {
    ($($module:ident :: $handler:ident),+ $(,)?) => {{
        use utoipa::{Path as _, __dev::{SchemaReferences as _, Tags as _}};
        use utoipa_axum::PathItemExt as _;

        let mut paths = utoipa::openapi::path::Paths::new();
        let mut schemas = Vec::new();
        let mut router = axum::routing::MethodRouter::new();
        utoipa_axum::paste! {$(
            {
                type Described = $module::[<__path_ $handler>];
                let methods = Described::methods();
                let mut operation = Described::operation();
                let tags = Described::tags().into_iter().map(str::to_owned);
                operation.tags.get_or_insert_default().extend(tags);
                Described::schemas(&mut schemas);
                for method in &methods {
                    router = $crate::routing::on(router, method.to_method_filter(), $module::$handler);
                }
                paths.add_path_operation(Described::path(), methods, operation);
            }
        )+}
        (schemas, paths, router)
    }};
}
pub(crate) use routes;
