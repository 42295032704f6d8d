//! The app behind the targets: it takes whatever comes.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::heard::{Heard, Reader};

#[derive(Default)]
struct App {
    count: Cell<u64>,
    last: RefCell<Vec<u8>>,
    refuses: Cell<bool>,
}

/// Answers what comes to `address`, until the process is ended. The address that it got is the first line it prints.
pub async fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    io::stdout().flush()?;
    let app = Rc::<App>::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks ends here; the next one is another.
        tokio::task::spawn_local(connection(stream, Rc::clone(&app)));
    }
}

async fn connection(mut stream: TcpStream, app: Rc<App>) -> io::Result<()> {
    let mut reader = Reader::default();
    while let Some(request) = reader.next(&mut stream).await? {
        stream.write_all(&app.answer(request)).await?;
    }
    Ok(())
}

impl App {
    fn answer(&self, request: Heard) -> Vec<u8> {
        let target = request.head.split(' ').nth(1).unwrap_or_default();
        let text = match target {
            "/count" => self.count.get().to_string().into_bytes(),
            "/last" => self.last.borrow().clone(),
            "/refuse" => self.turn(true),
            "/accept" => self.turn(false),
            _ => {
                self.count.set(self.count.get() + 1);
                self.last.replace(request.body);
                let status = if self.refuses.get() { "500 Internal Server Error" } else { "200 OK" };
                return format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes();
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        [head.into_bytes(), text].concat()
    }

    fn turn(&self, refuses: bool) -> Vec<u8> {
        self.refuses.set(refuses);
        Vec::new()
    }
}
