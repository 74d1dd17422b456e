//! What connections say to administrators.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};

use super::{
    net::Net,
    transport::{Transport, TransportError},
};

/// The last error of the connection, if it failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Option<String>>>);

impl Said {
    fn note(&self, said: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// What was said last.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Keeps the errors of the connection, which are not shown to users of gateways.
pub(crate) struct Witness<T> {
    net: Arc<Net<T>>,
    said: Said,
}

impl<T: Transport> Transport for Witness<T> {
    type Body = T::Body;

    async fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<Self::Body>, TransportError> {
        let sent = self.net.transport.send(request, head_deadline).await;
        let said = sent.as_ref().err().map(ToString::to_string);
        self.said.note(said);
        sent
    }
}

impl<T: Transport> Net<T> {
    /// The same, and what connections say is kept.
    pub(super) fn with_witness(self: &Arc<Self>) -> (Arc<Net<Witness<T>>>, Said) {
        let said = Said::default();
        let witness = Witness {
            net: Arc::clone(self),
            said: said.clone(),
        };
        (Arc::new(self.through(witness)), said)
    }
}
