//! What a file with complete lists does not name is deleted.

use super::apply::{Stop, Work, at};
use crate::service::{IfMatch, effects::Done, gateways, secrets, servers, user_sources};

impl Work<'_, '_> {
    pub(super) async fn delete_gateways(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = declaration
            .project
            .gateways
            .as_ref()
            .filter(|_| self.options.prune)
        else {
            return Ok(());
        };
        for gone in &present.gateways {
            if wanted
                .iter()
                .any(|gateway| gateway.slug.eq_ignore_ascii_case(&gone.slug))
            {
                continue;
            }
            let deleted = gateways::delete_in(self.change, self.project, gone.id, &IfMatch::Any).await;
            if let Done::WouldTouch(effects) = deleted.map_err(at("/gateways"))? {
                self.touches(&gone.id, effects);
            }
        }
        Ok(())
    }

    pub(super) async fn delete_servers(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = declaration
            .project
            .servers
            .as_ref()
            .filter(|_| self.options.prune)
        else {
            return Ok(());
        };
        for gone in &present.servers {
            if !wanted.iter().any(|server| server.slug == gone.slug) {
                let deleted = servers::delete_in(self.change, self.project, gone.id, &IfMatch::Any).await;
                deleted.map_err(at("/servers"))?;
            }
        }
        Ok(())
    }

    pub(super) async fn delete_sources(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = declaration
            .project
            .user_sources
            .as_ref()
            .filter(|_| self.options.prune)
        else {
            return Ok(());
        };
        for gone in &present.sources {
            let name = gone.name.to_lowercase();
            if wanted
                .iter()
                .any(|source| source.name.trim().to_lowercase() == name)
            {
                continue;
            }
            let deleted = user_sources::delete_in(self.change, self.project, gone.id, &IfMatch::Any).await;
            if let Done::WouldTouch(effects) = deleted.map_err(at("/user_sources"))? {
                self.touches(&gone.id, effects);
            }
        }
        Ok(())
    }

    pub(super) async fn delete_secrets(&mut self) -> Result<(), Stop> {
        let (declaration, present) = (self.declaration, self.present);
        let Some(wanted) = declaration
            .project
            .secrets
            .as_ref()
            .filter(|_| self.options.prune)
        else {
            return Ok(());
        };
        for gone in &present.secrets {
            if !wanted.iter().any(|secret| secret.name == gone.name) {
                let deleted = secrets::delete_in(self.change, self.project, gone.id, &IfMatch::Any).await;
                deleted.map_err(at("/secrets"))?;
            }
        }
        Ok(())
    }
}
