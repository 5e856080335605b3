//! Reads the parts of a cron expression, byte by byte, in functions that the compiler can run too.

use super::cron::CronField;
use super::fault::{CronFault, CronFaultKind};

#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    rest: &'t [u8],
    pub(super) position: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            rest: text.as_bytes(),
            position: 0,
        }
    }

    pub(super) const fn peek(&self) -> Option<u8> {
        match self.rest.first() {
            Some(byte) => Some(*byte),
            None => None,
        }
    }

    const fn step(&mut self) {
        if let Some((_, rest)) = self.rest.split_first() {
            self.rest = rest;
            self.position += 1;
        }
    }

    const fn is_at_end_of_field(&self) -> bool {
        matches!(self.peek(), None | Some(b' ' | b'\t'))
    }

    pub(super) const fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.step();
        }
    }

    /// Takes letters.
    const fn word(&mut self) -> &'t [u8] {
        let from = *self;
        while matches!(self.peek(), Some(b'a'..=b'z' | b'A'..=b'Z')) {
            self.step();
        }
        from.rest.split_at(self.position - from.position).0
    }
}

pub(super) const fn check_field_count(mut cursor: Cursor<'_>) -> Result<(), CronFault> {
    let begin = cursor.position;
    let mut count = 0;
    while cursor.peek().is_some() {
        if matches!(cursor.peek(), Some(b'=')) {
            return Err(CronFaultKind::Assignment.at(begin));
        }
        if cursor.is_at_end_of_field() {
            cursor.skip_blanks();
        } else {
            count += 1;
            while !cursor.is_at_end_of_field() && !matches!(cursor.peek(), Some(b'=')) {
                cursor.step();
            }
        }
    }
    if count > 5 {
        return Err(CronFaultKind::TooManyFields.at(begin));
    }
    if count < 5 {
        return Err(CronFaultKind::TooFewFields.at(cursor.position));
    }
    Ok(())
}

pub(super) const fn nickname(mut cursor: Cursor<'_>) -> Result<&'static str, CronFault> {
    let begin = cursor.position;
    cursor.step();
    let word = cursor.word();
    let meaning = if word.eq_ignore_ascii_case(b"hourly") {
        "0 * * * *"
    } else if word.eq_ignore_ascii_case(b"daily") || word.eq_ignore_ascii_case(b"midnight") {
        "0 0 * * *"
    } else if word.eq_ignore_ascii_case(b"weekly") {
        "0 0 * * 0"
    } else if word.eq_ignore_ascii_case(b"monthly") {
        "0 0 1 * *"
    } else if word.eq_ignore_ascii_case(b"yearly") || word.eq_ignore_ascii_case(b"annually") {
        "0 0 1 1 *"
    } else if word.eq_ignore_ascii_case(b"every") || word.eq_ignore_ascii_case(b"reboot") {
        return Err(CronFaultKind::NotATimeOfDay.at(begin));
    } else {
        return Err(CronFaultKind::UnknownNickname.at(begin));
    };
    if !cursor.is_at_end_of_field() {
        return Err(CronFaultKind::UnknownNickname.at(begin));
    }
    cursor.skip_blanks();
    match cursor.peek() {
        None => Ok(meaning),
        Some(_) => Err(CronFaultKind::AfterNickname.at(cursor.position)),
    }
}

pub(super) const fn read_field(
    cursor: &mut Cursor<'_>,
    field: CronField,
    stars: &mut u8,
) -> Result<u64, CronFault> {
    cursor.skip_blanks();
    if matches!(cursor.peek(), Some(b'*')) {
        *stars |= field.bit();
    }
    let mut mask = 0;
    loop {
        match read_item(cursor, field) {
            Ok(values) => mask |= values,
            Err(fault) => return Err(fault),
        }
        match cursor.peek() {
            None | Some(b' ' | b'\t') => return Ok(mask),
            Some(b',') => cursor.step(),
            Some(byte) => return Err(unexpected(byte).at(cursor.position)),
        }
    }
}

/// One item of a list: `*`, `5`, `8-16`, and the last with a step.
const fn read_item(cursor: &mut Cursor<'_>, field: CronField) -> Result<u64, CronFault> {
    let begin = cursor.position;
    let mut first = field.first();
    let mut last = field.last();
    let mut is_range = true;
    if matches!(cursor.peek(), Some(b'*')) {
        cursor.step();
    } else {
        first = match read_value(cursor, field) {
            Ok(value) => value,
            Err(fault) => return Err(fault),
        };
        last = first;
        is_range = matches!(cursor.peek(), Some(b'-'));
        if is_range {
            cursor.step();
            last = match read_value(cursor, field) {
                Ok(value) => value,
                Err(fault) => return Err(fault),
            };
        }
    }
    if last < first {
        return Err(CronFaultKind::BackwardsRange(field).at(begin));
    }
    let step = match read_step(cursor, field, is_range) {
        Ok(step) => step,
        Err(fault) => return Err(fault),
    };
    let mut mask = 0;
    while first <= last {
        mask |= 1 << first;
        first += step;
    }
    Ok(mask)
}

const fn read_step(
    cursor: &mut Cursor<'_>,
    field: CronField,
    is_range: bool,
) -> Result<u32, CronFault> {
    if !matches!(cursor.peek(), Some(b'/')) {
        return Ok(1);
    }
    if !is_range {
        return Err(CronFaultKind::StepWithoutRange.at(cursor.position));
    }
    cursor.step();
    let begin = cursor.position;
    match cursor.peek() {
        Some(b'0'..=b'9') => match read_number(cursor) {
            0 => Err(CronFaultKind::StepOfZero.at(begin)),
            step if step > field.cycle() => Err(CronFaultKind::StepTooLong(field).at(begin)),
            step => Ok(step),
        },
        None | Some(b' ' | b'\t' | b',') => Err(CronFaultKind::Missing.at(begin)),
        Some(byte) => Err(unexpected(byte).at(begin)),
    }
}

const fn read_value(cursor: &mut Cursor<'_>, field: CronField) -> Result<u32, CronFault> {
    let begin = cursor.position;
    match cursor.peek() {
        Some(b'0'..=b'9') => {
            let value = read_number(cursor);
            if value < field.first() || value > field.last() {
                return Err(CronFaultKind::OutOfRange(field).at(begin));
            }
            Ok(value)
        }
        Some(b'a'..=b'z' | b'A'..=b'Z') => match find_name(cursor.word(), field) {
            Ok(value) => Ok(value),
            Err(kind) => Err(kind.at(begin)),
        },
        None | Some(b' ' | b'\t' | b',' | b'-' | b'/') => Err(CronFaultKind::Missing.at(begin)),
        Some(byte) => Err(unexpected(byte).at(begin)),
    }
}

/// Takes digits. A number too large for any field stays too large.
const fn read_number(cursor: &mut Cursor<'_>) -> u32 {
    let mut value: u32 = 0;
    while let Some(digit @ b'0'..=b'9') = cursor.peek() {
        value = value
            .saturating_mul(10)
            .saturating_add((digit - b'0') as u32);
        cursor.step();
    }
    value
}

const fn find_name(word: &[u8], field: CronField) -> Result<u32, CronFaultKind> {
    let mut names = field.names();
    let mut value = field.first();
    while let Some((name, rest)) = names.split_at_checked(3) {
        if word.eq_ignore_ascii_case(name) {
            return Ok(value);
        }
        names = rest;
        value += 1;
    }
    if word.eq_ignore_ascii_case(b"L")
        || word.eq_ignore_ascii_case(b"W")
        || word.eq_ignore_ascii_case(b"LW")
        || word.eq_ignore_ascii_case(b"H")
    {
        return Err(CronFaultKind::Extension);
    }
    Err(CronFaultKind::UnknownName(field))
}

const fn unexpected(byte: u8) -> CronFaultKind {
    match byte {
        b'.' => CronFaultKind::Fraction,
        b'#' | b'?' | b'~' | b'L' | b'l' | b'W' | b'w' | b'H' | b'h' => CronFaultKind::Extension,
        _ => CronFaultKind::Character,
    }
}
