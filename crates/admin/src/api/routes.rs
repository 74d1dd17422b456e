//! Registers handlers together with their description in the OpenAPI document.

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
                    router = gatewright_core::routing::on(router, method.to_method_filter(), $module::$handler);
                }
                paths.add_path_operation(Described::path(), methods, operation);
            }
        )+}
        (schemas, paths, router)
    }};
}
pub(crate) use routes;
