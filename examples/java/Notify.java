// What the sidecar delivers, in Java with nothing but the JDK (11 or later): java Notify.java
// INBOX stands for the app's database: a folder with a file for each notification that was dealt with.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;

public class Notify {
    static final Path INBOX = Path.of(System.getenv().getOrDefault("INBOX", "inbox"));

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/alipay/notify", Notify::answer);
        server.start();
        System.out.println("listening on " + port);
    }

    static void answer(HttpExchange exchange) throws IOException {
        int status = 500; // until all is done: then Alipay delivers it again
        try {
            byte[] body = exchange.getRequestBody().readAllBytes();
            if (exchange.getRequestMethod().equals("POST")) {
                take(header(exchange, "alipay-app-id"), header(exchange, "alipay-notify-id"), body);
                status = 204;
            } else {
                status = 405;
            }
        } catch (IOException problem) {
            System.err.println(problem);
        } finally {
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
        }
    }

    // The body is JSON, for the library that the app has; what tells notifications apart is in the headers too.
    static void take(String appId, String notifyId, byte[] event) throws IOException {
        Path draft = Files.createTempFile(INBOX, "draft", null);
        try {
            Files.write(draft, event); // yours: the work, in one transaction with the row
            Files.createLink(INBOX.resolve(appId + "." + notifyId + ".json"), draft);
        } catch (FileAlreadyExistsException again) {
            // The same one may come again, and twice at once: it was dealt with.
        } finally {
            Files.delete(draft);
        }
    }

    static String header(HttpExchange exchange, String name) {
        return exchange.getRequestHeaders().getFirst(name);
    }
}
