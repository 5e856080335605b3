//! For tests of real processes: dies at a named durable point. No build has this unless it asks for the feature `crash-points`.

use std::str::FromStr;

use super::Point;

/// On which side of the sync the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// All is written and nothing is synced.
    Before,
    /// All is synced and nobody has been told.
    After,
}

/// Where the process dies, written `before:step:2`: the side, the point, and which of its commits since the store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashAt {
    side: Side,
    point: Point,
    /// How many commits of the point are to come, the fatal one included.
    left: u32,
}

impl CrashAt {
    /// Called with the points of a transaction before its sync: dies there if that is the place, or says that it is behind it.
    pub(super) fn before_sync(&mut self, points: impl Iterator<Item = &'static str>) -> bool {
        match self.passes(points) {
            Some(Side::Before) => die(),
            side => side.is_some(),
        }
    }

    /// Counts a transaction that holds commits of these points; says on which side of its sync the process dies.
    fn passes(&mut self, points: impl Iterator<Item = &'static str>) -> Option<Side> {
        let met = points.filter(|point| *point == self.point.name()).count();
        let met = u32::try_from(met).unwrap_or(u32::MAX);
        let dies = self.left > 0 && met >= self.left;
        self.left = self.left.saturating_sub(met);
        dies.then_some(self.side)
    }
}

/// Ends the process as it stands: nothing is unwound, flushed or closed.
pub(super) fn die() -> ! {
    std::process::abort()
}

impl FromStr for CrashAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || format!("`{text}` is no place to crash; write it like `before:step:2`");
        let mut parts = text.split(':');
        let side = match parts.next() {
            Some("before") => Side::Before,
            Some("after") => Side::After,
            _ => return Err(fault()),
        };
        let name = parts.next().ok_or_else(fault)?;
        let mut points = Point::ALL.iter();
        let point = *points.find(|it| it.name() == name).ok_or_else(fault)?;
        let number = parts.next().and_then(|number| number.parse().ok());
        let left = number.filter(|left| *left > 0).ok_or_else(fault)?;
        if parts.next().is_some() {
            return Err(fault());
        }
        Ok(Self { side, point, left })
    }
}

#[cfg(test)]
mod tests {
    use super::{CrashAt, Side};

    #[test]
    fn the_commit_with_the_number_is_the_fatal_one() {
        let mut crash: CrashAt = "after:step:3".parse().unwrap();
        assert_eq!(crash.passes(["step", "accept"].into_iter()), None);
        assert_eq!(crash.passes(["finish"].into_iter()), None);
        let both = ["step", "step"].into_iter();
        assert_eq!(crash.passes(both), Some(Side::After));
    }

    #[test]
    fn what_is_no_place_to_crash_is_refused() {
        for text in [
            "",
            "step",
            "before:step",
            "before:stop:1",
            "before:step:0",
            "amid:step:1",
            "before:step:1:2",
        ] {
            assert!(text.parse::<CrashAt>().is_err(), "{text}");
        }
    }
}
