//! What the errors of SQLite mean to whoever asked.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// Says whether there was no room.
pub(super) fn is_full(fault: &Error) -> bool {
    fault.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Says whether the disk, and not the commit, is at fault; the same commit may work later.
pub(super) fn is_disk_fault(fault: &Error) -> bool {
    matches!(
        fault.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Puts an error of SQLite into the words of the store (G7).
pub(super) fn store_error(fault: &Error) -> StoreError {
    let text = fault.to_string();
    match fault {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => StoreError::Damaged(text),
        _ => match fault.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(text),
            _ => StoreError::Unavailable(text),
        },
    }
}
