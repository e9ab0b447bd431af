//! The facts of a certificate that plugins can read: subject, names and fingerprint, as Envoy writes them, from its DER (RFC 5280).
//!
//! Nothing is verified here. Unreadable parts are empty or absent.

use std::fmt::Write;

use lockgate_exchange::CertificateInfo;
use ring::digest;

use crate::der::{OBJECT_IDENTIFIER, Reader, SEQUENCE};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SET: u8 = 0x31;
/// `[0]`, the version.
const VERSION: u8 = 0xa0;
/// `[3]`, the extensions.
const EXTENSIONS: u8 = 0xa3;
/// `[2]` and `[6]` of a `GeneralName`.
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads a certificate.
pub(crate) fn read(der: &[u8]) -> CertificateInfo {
    let (subject, names) = fields(der).unwrap_or_default();
    let first = |tag| {
        let mut names = Reader::of(names).filter(|(found, _)| *found == tag);
        names.next().map(|(_, name)| String::from_utf8_lossy(name).into_owned())
    };
    CertificateInfo {
        subject: distinguished_name(subject),
        dns_san: first(DNS_NAME),
        uri_san: first(URI),
        sha256: hex(digest::digest(&digest::SHA256, der).as_ref(), false),
    }
}

/// Whether a certificate has no version field (RFC 5280, 4.1.2.1). False if it is unreadable.
pub(crate) fn is_version_1(der: &[u8]) -> bool {
    let mut certificate = Reader::of(Reader::of(der).content(SEQUENCE).unwrap_or_default());
    let mut body = Reader::of(certificate.content(SEQUENCE).unwrap_or_default());
    body.next().is_some_and(|(tag, _)| tag == INTEGER)
}

/// The contents of the subject and of the alternative names; empty if absent.
fn fields(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut certificate = Reader::of(Reader::of(der).content(SEQUENCE)?);
    let mut body = Reader::of(certificate.content(SEQUENCE)?);
    body.content(VERSION);
    body.content(INTEGER)?;
    let _signature = body.content(SEQUENCE)?;
    let _issuer = body.content(SEQUENCE)?;
    let _validity = body.content(SEQUENCE)?;
    let subject = body.content(SEQUENCE)?;
    let extensions = body.find(|(tag, _)| *tag == EXTENSIONS);
    let names = extensions.and_then(|(_, extensions)| alternative_names(extensions));
    Some((subject, names.unwrap_or_default()))
}

fn alternative_names(extensions: &[u8]) -> Option<&[u8]> {
    let mut all = Reader::of(Reader::of(extensions).content(SEQUENCE)?);
    all.find_map(|(_, extension)| {
        let mut extension = Reader::of(extension);
        if extension.content(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            return None;
        }
        extension.content(BOOLEAN);
        Reader::of(extension.content(OCTET_STRING)?).content(SEQUENCE)
    })
}

/// A name as text: RFC 2253 as OpenSSL writes it, the last part first, all but ASCII escaped byte by byte.
fn distinguished_name(name: &[u8]) -> String {
    let mut parts: Vec<_> = Reader::of(name).collect();
    parts.reverse();
    let mut text = String::new();
    for (tag, part) in parts {
        let mut values: Vec<_> = Reader::of(part).filter(|_| tag == SET).collect();
        values.reverse();
        for (nth, (_, value)) in values.into_iter().enumerate() {
            if !text.is_empty() {
                text.push(if nth == 0 { ',' } else { '+' });
            }
            attribute(value, &mut text);
        }
    }
    text
}

fn attribute(attribute: &[u8], text: &mut String) {
    let mut attribute = Reader::of(attribute);
    let kind = attribute.content(OBJECT_IDENTIFIER).unwrap_or_default();
    let Some((tag, value)) = attribute.next() else { return };
    let name = short_name(kind);
    match name {
        Some(name) => text.push_str(name),
        None => text.push_str(&dotted(kind)),
    }
    text.push('=');
    match name.and_then(|_| characters(tag, value)) {
        Some(value) => escape(&value, text),
        None => dump(tag, value, text),
    }
}

/// OpenSSL's name of an attribute.
fn short_name(kind: &[u8]) -> Option<&'static str> {
    Some(match kind {
        [0x55, 0x04, last] => match last {
            3 => "CN",
            4 => "SN",
            5 => "serialNumber",
            6 => "C",
            7 => "L",
            8 => "ST",
            9 => "street",
            10 => "O",
            11 => "OU",
            12 => "title",
            13 => "description",
            15 => "businessCategory",
            16 => "postalAddress",
            17 => "postalCode",
            18 => "postOfficeBox",
            20 => "telephoneNumber",
            41 => "name",
            42 => "GN",
            43 => "initials",
            44 => "generationQualifier",
            45 => "x500UniqueIdentifier",
            46 => "dnQualifier",
            65 => "pseudonym",
            72 => "role",
            _ => return None,
        },
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, last] => match last {
            1 => "UID",
            3 => "mail",
            25 => "DC",
            _ => return None,
        },
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, last] => match last {
            1 => "emailAddress",
            2 => "unstructuredName",
            8 => "unstructuredAddress",
            _ => return None,
        },
        _ => return None,
    })
}

/// An object identifier in dotted form.
fn dotted(kind: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0_u64;
    for byte in kind {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        // The first two numbers are one.
        let written = if text.is_empty() {
            let root = (number / 40).min(2);
            write!(text, "{root}.{}", number - root * 40)
        } else {
            write!(text, ".{number}")
        };
        written.expect("a text takes what is written");
        number = 0;
    }
    text
}

/// The text of a value. None: its type holds no text.
fn characters(tag: u8, value: &[u8]) -> Option<String> {
    Some(match tag {
        UTF8_STRING => String::from_utf8_lossy(value).into_owned(),
        NUMERIC_STRING | PRINTABLE_STRING | T61_STRING | IA5_STRING => {
            value.iter().map(|&byte| char::from(byte)).collect()
        }
        BMP_STRING => {
            let units = value.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair));
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        UNIVERSAL_STRING => {
            let units = value.as_chunks().0.iter().map(|four| u32::from_be_bytes(*four));
            units
                .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => return None,
    })
}

fn escape(value: &str, text: &mut String) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let is_edge = (byte == b' ' && (at == 0 || at == last)) || (byte == b'#' && at == 0);
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => text.extend(['\\', char::from(byte)]),
            _ if is_edge => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                text.push('\\');
                text.push_str(&hex(&[byte], true));
            }
        }
    }
}

/// An unreadable value, as its DER in hexadecimal digits.
fn dump(tag: u8, value: &[u8], text: &mut String) {
    text.push('#');
    text.push_str(&hex(&[tag], true));
    let length = value.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    match &length[zeros..] {
        [] => text.push_str("00"),
        [short @ ..0x80] => text.push_str(&hex(&[*short], true)),
        long => {
            text.push_str(&hex(&[0x80 | u8::try_from(long.len()).unwrap_or(0)], true));
            text.push_str(&hex(long, true));
        }
    }
    text.push_str(&hex(value, true));
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let digits = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    let digit = |nibble: u8| char::from(digits[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
