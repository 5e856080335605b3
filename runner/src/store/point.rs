//! The points at which something becomes durable: each commit is one of them.

/// Lists the points once, for the type, for its names and for those who visit all of them.
macro_rules! points {
    ($($(#[doc = $meaning:literal])+ $point:ident => $name:literal,)+) => {
        /// What a commit is, for crash tests and traces: a process can only die before it or after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $($(#[doc = $meaning])+ $point,)+
        }

        impl Point {
            /// All points.
            pub const ALL: &[Self] = &[$(Self::$point),+];

            /// Returns the name of the point, lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// An execution is accepted, or a request that found no flow is recorded as one.
    Accept => "accept",
    /// An execution that has waited starts.
    Start => "start",
    /// A step has ended.
    Step => "step",
    /// Lines of a log are written while their execution runs.
    Log => "log",
    /// An execution has ended, with its changes of state and what follows it.
    Finish => "finish",
    /// An execution that the stop of the process interrupted is put back.
    Requeue => "requeue",
    /// An execution that waited is cancelled.
    Cancel => "cancel",
    /// An execution runs again, as one of its own.
    Replay => "replay",
    /// An execution is no dead letter any more.
    Dismiss => "dismiss",
    /// It is noted that a delivery came again.
    Duplicate => "duplicate",
    /// It is noted that a tick was passed over.
    Skip => "skip",
    /// The schedules of an instance come into force.
    Timetable => "timetable",
    /// An instance is set up, before its deploy functions run; or the endpoint that all customers share is made.
    Deploy => "deploy",
    /// The deploy functions of an instance have ended.
    Deployed => "deployed",
    /// The removal of an instance begins.
    Remove => "remove",
    /// A removed instance is kept until it is erased.
    Removed => "removed",
    /// An instance is erased.
    Erase => "erase",
    /// An instance is paused.
    Pause => "pause",
    /// An instance is resumed.
    Resume => "resume",
    /// The keys of an instance change: API keys, what a sender brought or showed in a handshake, what a provider granted.
    Keys => "keys",
    /// State is cleared by hand.
    ClearState => "clear_state",
    /// What need not be kept is taken away.
    Prune => "prune",
    /// The store is asked whether it can be written.
    Check => "check",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Point;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
