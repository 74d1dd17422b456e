//! Checks whether the database is writable, with a write that changes nothing of value.

use crate::{Store, StoreError, value::values};

impl Store {
    /// Overwrites one small row with itself. Reading may work while writing does not: on a full disk, or on a standby.
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
