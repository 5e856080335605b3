//! Reads text in its character set.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use sdk::Body;

use super::media_type::{Kind, MediaType};

/// Bytes of an XML document in which its declaration is looked for.
const XML_DECLARATION: usize = 1024;

/// Reads text (W16).
///
/// Its character set is, in this order, that of its byte order mark (which is taken off), that of the content type, that of
/// the XML declaration if it is XML, UTF-8. What is not text in that character set becomes U+FFFD. A character set that is
/// not known makes it bytes: the flow can still read them, and nothing is refused that the sender cannot change.
pub(super) fn read_text(content: Bytes, media_type: &MediaType) -> Body {
    let label = media_type.charset().map(str::to_owned).or_else(|| {
        (media_type.kind() == Kind::Xml)
            .then(|| xml_encoding(&content))
            .flatten()
    });
    let encoding = match (label, Encoding::for_bom(&content)) {
        (_, Some((encoding, _))) => Some(encoding),
        (Some(label), None) => Encoding::for_label_no_replacement(label.as_bytes()),
        (None, None) => Some(UTF_8),
    };
    match encoding {
        Some(encoding) => Body::Text(encoding.decode(&content).0.into_owned()),
        None => Body::Bytes(content),
    }
}

/// Returns the encoding that an XML document shows by its first bytes or names in its declaration.
fn xml_encoding(content: &[u8]) -> Option<String> {
    if content.starts_with(b"<\0?\0") {
        return Some(UTF_16LE.name().to_owned());
    }
    if content.starts_with(b"\0<\0?") {
        return Some(UTF_16BE.name().to_owned());
    }
    let head = content.get(..XML_DECLARATION).unwrap_or(content);
    let head = String::from_utf8_lossy(head);
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, after) = declaration.split_once("encoding")?;
    let quoted = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (label, _) = quoted.strip_prefix(quote)?.split_once(quote)?;
    // A declaration that could be read byte by byte is not in UTF-16, whatever it says.
    let is_utf_16 = label.to_ascii_lowercase().starts_with("utf-16");
    Some(if is_utf_16 { UTF_8.name() } else { label }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, content: &'static [u8], expected: &str) {
        let body = read_text(Bytes::from_static(content), &MediaType::parse(content_type));
        assert_eq!(body, Body::Text(expected.to_owned()), "{content_type}");
    }

    // W16.
    #[test]
    fn text_is_read_in_the_declared_character_set() {
        check("text/plain", "grün".as_bytes(), "grün");
        check("text/plain; charset=ISO-8859-1", b"gr\xfcn", "grün");
        check(
            "text/plain; charset=\"Shift_JIS\"",
            b"\x93\xfa\x96{",
            "日本",
        );
        check("text/plain; charset=utf-16le", b"g\0r\0\xfc\0n\0", "grün");
        check("text/plain; charset=utf-16be", b"\0g\0r\0\xfc\0n", "grün");
    }

    #[test]
    fn a_byte_order_mark_wins_and_is_taken_off() {
        check("text/plain", b"\xef\xbb\xbfgr\xc3\xbcn", "grün");
        check(
            "text/plain; charset=utf-16",
            b"\xfe\xff\0g\0r\0\xfc\0n",
            "grün",
        );
        check(
            "text/csv; charset=latin1",
            b"\xff\xfeg\0r\0\xfc\0n\0",
            "grün",
        );
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        check("text/plain", b"gr\xfcn", "gr\u{fffd}n");
    }

    #[test]
    fn an_xml_declaration_names_the_character_set_unless_the_content_type_does() {
        let latin = b"<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>\xfc</a>";
        let read = "<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>ü</a>";
        check("application/xml", latin, read);
        check("application/soap+xml", latin, read);
        check("text/xml; charset=windows-1252", latin, read);
        check(
            "text/xml; charset=utf-8",
            latin,
            &read.replace('ü', "\u{fffd}"),
        );
        check("text/plain", latin, &read.replace('ü', "\u{fffd}"));
    }

    #[test]
    fn utf_16_xml_is_known_by_its_first_bytes() {
        check("text/xml", b"<\0?\0x\0", "<?x");
        check("text/xml", b"\0<\0?\0x", "<?x");
        let lying = "<?xml version='1.0' encoding = \"UTF-16\" ?><a>ü</a>";
        check("text/xml", lying.as_bytes(), lying);
    }

    #[test]
    fn an_unknown_character_set_leaves_bytes() {
        for content_type in [
            "text/plain; charset=utf-7",
            "text/plain; charset=hz-gb-2312",
        ] {
            let body = read_text(
                Bytes::from_static(b"+AGE-"),
                &MediaType::parse(content_type),
            );
            assert_eq!(body, Body::Bytes(Bytes::from_static(b"+AGE-")));
        }
        let declared = Bytes::from_static(b"<?xml version='1.0' encoding='ebcdic'?>");
        let body = read_text(declared.clone(), &MediaType::parse("text/xml"));
        assert_eq!(body, Body::Bytes(declared));
    }
}
