//! What someone with a shell on the machine and the demo do: the same functions that the API and the dashboard call.

pub use crate::service::{Authority, IfMatch, Patch, ServiceError, effects::Run};

/// API keys.
pub mod api_keys {
    pub use crate::service::api_keys::{
        NewApiKey, NewInstanceKey, create, create_for_instance, is_live, list, revoke,
    };
}

/// The account of the demo, and its sessions.
pub mod demo {
    pub use crate::service::demo::{account, own, sign_in};
}

/// Gateways.
pub mod gateways {
    pub use crate::service::gateways::{GatewayPatch, NewGateway, create, list, update};
}

/// Keys of the instance, and of projects whose keys were lost.
pub mod instance {
    pub use crate::service::instance::{ALREADY_INITIALISED, init, new_key, new_project_key};
}

/// Links with which a person sets a new password.
pub mod password_reset {
    pub use crate::service::password_reset::{offer, offer_fully};
}

/// Projects.
pub mod projects {
    pub use crate::service::projects::{NewProject, create, delete, list};
}

/// Servers.
pub mod servers {
    pub use crate::service::servers::{NewServer, ServerPatch, create, list, update};
}

/// The first account of an instance.
pub mod setup {
    pub use crate::service::setup::{NewInstance, by_operator, offer};
}

/// What runs in the background.
pub mod watch {
    pub use crate::service::{
        notifications::send,
        watch::{look, round},
    };
}

/// Streams of audit events and requests.
pub mod streams {
    pub use crate::service::streams::{Runner, release};
}

/// User Sources.
pub mod user_sources {
    pub use crate::service::user_sources::{NewUserSource, UserSourcePatch, create, list, update};
}

/// Configuration as code.
pub mod declared {
    pub use crate::{
        declared::{Declaration, Fault, MAX_BYTES, Secrets, SecretsOfProcess, read, schema},
        service::declared::{
            ApplyError, Credential, Exported, Options, Outcome, References, Step, apply, export, plan,
        },
    };
}
