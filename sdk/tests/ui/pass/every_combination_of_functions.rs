//! Every combination of functions makes a flow, lifecycle functions alone too.

use sdk::prelude::*;

macro_rules! flows {
    ($($name:ident: $($marker:ident)*;)*) => {
        $(
            struct $name;

            #[flow(key = "a-flow")]
            impl $name {
                $(
                    #[$marker]
                    async fn $marker(_context: &Context) -> Result<()> {
                        Ok(())
                    }
                )*
            }
        )*

        fn main() {
            $(
                let built = Integration::<()>::new("acme-orders").flow::<$name>().build().unwrap();
                let functions = &built.flows[0].functions;
                let there = [
                    ("on_trigger", functions.on_trigger.is_some()),
                    ("on_execution", functions.on_execution.is_some()),
                    ("on_instance_deploy", functions.on_instance_deploy.is_some()),
                    ("on_instance_remove", functions.on_instance_remove.is_some()),
                    ("on_first_deploy", functions.on_first_deploy.is_some()),
                ];
                for (name, there) in there {
                    assert_eq!(there, [$(stringify!($marker)),*].contains(&name), "{name} of {}", stringify!($name));
                }
            )*
        }
    };
}

flows! {
    Trigger: on_trigger;
    Execution: on_execution;
    InstanceDeploy: on_instance_deploy;
    InstanceRemove: on_instance_remove;
    FirstDeploy: on_first_deploy;
    TriggerExecution: on_trigger on_execution;
    TriggerInstanceDeploy: on_trigger on_instance_deploy;
    TriggerInstanceRemove: on_trigger on_instance_remove;
    TriggerFirstDeploy: on_trigger on_first_deploy;
    ExecutionInstanceDeploy: on_execution on_instance_deploy;
    ExecutionInstanceRemove: on_execution on_instance_remove;
    ExecutionFirstDeploy: on_execution on_first_deploy;
    InstanceDeployInstanceRemove: on_instance_deploy on_instance_remove;
    InstanceDeployFirstDeploy: on_instance_deploy on_first_deploy;
    InstanceRemoveFirstDeploy: on_instance_remove on_first_deploy;
    TriggerExecutionInstanceDeploy: on_trigger on_execution on_instance_deploy;
    TriggerExecutionInstanceRemove: on_trigger on_execution on_instance_remove;
    TriggerExecutionFirstDeploy: on_trigger on_execution on_first_deploy;
    TriggerInstanceDeployInstanceRemove: on_trigger on_instance_deploy on_instance_remove;
    TriggerInstanceDeployFirstDeploy: on_trigger on_instance_deploy on_first_deploy;
    TriggerInstanceRemoveFirstDeploy: on_trigger on_instance_remove on_first_deploy;
    ExecutionInstanceDeployInstanceRemove: on_execution on_instance_deploy on_instance_remove;
    ExecutionInstanceDeployFirstDeploy: on_execution on_instance_deploy on_first_deploy;
    ExecutionInstanceRemoveFirstDeploy: on_execution on_instance_remove on_first_deploy;
    InstanceDeployInstanceRemoveFirstDeploy: on_instance_deploy on_instance_remove on_first_deploy;
    TriggerExecutionInstanceDeployInstanceRemove: on_trigger on_execution on_instance_deploy on_instance_remove;
    TriggerExecutionInstanceDeployFirstDeploy: on_trigger on_execution on_instance_deploy on_first_deploy;
    TriggerExecutionInstanceRemoveFirstDeploy: on_trigger on_execution on_instance_remove on_first_deploy;
    TriggerInstanceDeployInstanceRemoveFirstDeploy: on_trigger on_instance_deploy on_instance_remove on_first_deploy;
    ExecutionInstanceDeployInstanceRemoveFirstDeploy: on_execution on_instance_deploy on_instance_remove on_first_deploy;
    TriggerExecutionInstanceDeployInstanceRemoveFirstDeploy: on_trigger on_execution on_instance_deploy on_instance_remove on_first_deploy;
}
