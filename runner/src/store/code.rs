//! How enums stand in the rows of a database.

use sdk::host::LogLevel;
use sdk::state::StateScope;

use crate::record::{Function, InvokedBy, ResultType, Status};

/// An enum that is kept as a number. The numbers are part of the schema: none is ever given to another value.
pub(super) trait Coded: Sized {
    fn code(self) -> i64;
    fn from_code(code: i64) -> Option<Self>;
}

macro_rules! codes {
    ($($name:ident { $($variant:ident = $code:literal),+ $(,)? })+) => { $(
        impl Coded for $name {
            fn code(self) -> i64 {
                match self { $(Self::$variant => $code),+ }
            }

            fn from_code(code: i64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    )+ };
}

codes! {
    // The schema relies on it that what has not ended is below 3, and that a failure is 4.
    Status { Pending = 0, Queued = 1, Running = 2, Success = 3, Error = 4 }
    ResultType {
        Completed = 0,
        Error = 1,
        PolledNoChanges = 2,
        CanceledAsDuplicate = 3,
        Canceled = 4,
        TimedOut = 5,
        Skipped = 6,
    }
    InvokedBy {
        Webhook = 0,
        Scheduled = 1,
        DeployFlow = 2,
        TearDownFlow = 3,
        CrossFlow = 4,
        Retry = 5,
        Replay = 6,
        Test = 7,
    }
    Function { OnExecution = 0, OnInstanceDeploy = 1, OnInstanceRemove = 2, OnFirstDeploy = 3 }
    LogLevel { Trace = 0, Debug = 1, Info = 2, Warn = 3, Error = 4 }
    // In the order of the enum, so that rows sort as keys do.
    StateScope { Execution = 0, Instance = 1, CrossFlow = 2, Integration = 3 }
}
