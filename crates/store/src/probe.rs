//! Whether the database takes writes, found out by a write that changes nothing of worth.

use crate::{Store, StoreError, value::values};

impl Store {
    /// Writes one small row over itself. Reading may work where writing does not: on a full disk, or on a standby.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.execute(
            "UPDATE write_probe SET number = 1 - number WHERE id = $1",
            values![1_i64],
        )
        .await?;
        tx.commit().await
    }
}
