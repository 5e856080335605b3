use sdk::prelude::*;

#[on_execution]
async fn file(_context: &Context) -> Result<()> {
    Ok(())
}

fn main() {}
