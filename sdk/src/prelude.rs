//! What almost every integration names.

pub use crate::signature::{SignatureScheme, providers};
pub use crate::time::{days, hours, millis, minutes, seconds};
pub use crate::{
    Body, ConfigVars, Connection, Context, Dedupe, Error, Flow, HttpResponse, Integration, Output,
    Payload, PickList, Poison, Queue, Respond, Result, Retry, Schedule, Secret, Security,
    Timestamp, Trigger, TriggerOutput, Url, Webhook, flow, on_execution, on_first_deploy,
    on_instance_delete, on_instance_deploy, on_instance_remove, on_trigger,
};
