//! What comes in: files, standard input, and the words of closed sets.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

use super::failure::Failure;

/// The bytes of a file, or of standard input for `-`, exactly as they are.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if is_stdin(path) {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// The same as text.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| Failure::Usage(format!("{} is not UTF-8 text", path.display())))
}

/// The same as a secret: without the line end that editors and `echo` add.
pub(super) fn secret(path: &Path) -> Result<SecretString, Failure> {
    let text = Zeroizing::new(text(path)?);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).into())
}

/// The JSON in a file, checked here so that the error names the file and the line.
pub(super) fn json(path: &Path) -> Result<serde_json::Value, Failure> {
    serde_json::from_slice(&bytes(path)?)
        .map_err(|error| Failure::Usage(format!("{} is not JSON: {error}", path.display())))
}

/// Whether the path means standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// One of these words, as the API writes them.
pub(super) fn word<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| {
        T::deserialize(StrDeserializer::<Error>::new(&word)).map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secrets_file_may_end_in_one_line_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        for (written, read) in
            [("s3", "s3"), ("s3\n", "s3"), ("s3\r\n", "s3"), ("s3\n\n", "s3\n"), (" s3 \n", " s3 ")]
        {
            std::fs::write(&path, written).expect("written");
            assert_eq!(secret(&path).expect("a secret").expose_secret(), read);
        }
        std::fs::write(&path, [0xFF]).expect("written");
        assert!(matches!(secret(&path), Err(Failure::Usage(_))));
        assert!(matches!(bytes(&dir.path().join("none")), Err(Failure::Usage(_))));
    }
}
