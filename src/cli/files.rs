//! Reading from files or standard input, and writing files whole or not at all.

use std::io::Read;
use std::path::Path;

use super::Failure;
use crate::model::{MAX_SOURCE_BYTES, read_source};
use crate::syntax::Code;

/// The name to show and the text of a file; `-` is standard input.
pub fn read(file: &str) -> Result<(String, String), Failure> {
    if file != "-" {
        return match read_source(Path::new(file)) {
            Ok(text) => Ok((file.to_owned(), text)),
            Err(e) => Err(Failure::new(
                Code::FileNotFound,
                &format!("the file `{file}` cannot be read: {e}"),
            )),
        };
    }
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MAX_SOURCE_BYTES);
    match input.read_to_string(&mut text) {
        Ok(_) => Ok(("<standard input>".to_owned(), text)),
        Err(e) => {
            Err(Failure::new(Code::FileNotFound, &format!("standard input cannot be read: {e}")))
        }
    }
}

/// Writes a file beside its place, then moves it there.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::plain(&format!("the file `{}` cannot be written: {e}", path.display()))
    };
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        failed(e)
    })
}
