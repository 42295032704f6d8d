<?php
// What the sidecar delivers, in PHP without any library: INBOX=inbox php -S 127.0.0.1:3000 notify.php
// INBOX stands for the app's database: a folder with a file for each notification that was dealt with.

function take(string $app_id, string $msg_method, array $event): void
{
    $inbox = realpath(getenv('INBOX') ?: 'inbox') ?: throw new RuntimeException('there is no inbox');
    $file = "$inbox/$app_id.{$event['notify_id']}.json";
    $draft = "$inbox/draft-" . bin2hex(random_bytes(16));
    try {
        // Yours: the work, in one transaction with the row.
        $work = "$msg_method " . json_encode($event['biz_content'], JSON_UNESCAPED_UNICODE);
        file_put_contents($draft, $work) !== false || throw new RuntimeException('the inbox cannot be written');
        // The same one may come again, and twice at once: then it was dealt with.
        @link($draft, $file) || file_exists($file) || throw new RuntimeException('the inbox cannot be written');
    } finally {
        @unlink($draft);
    }
}

http_response_code(500);                                  // until all is done: then Alipay delivers it again
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    http_response_code(405);
    exit;
}
$event = json_decode(file_get_contents('php://input'), true, 512, JSON_THROW_ON_ERROR);
take($_SERVER['HTTP_ALIPAY_APP_ID'], $_SERVER['HTTP_ALIPAY_MSG_METHOD'], $event);
http_response_code(204);
