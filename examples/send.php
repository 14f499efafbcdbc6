<?php
// php send.php URL SECRET ID < body: signs exactly these bytes, posts them, prints the answer. 1 if it is no 2xx.
// ID names the event and stays the same when it is sent again, so that the event runs once.

[, $url, $secret, $id] = $argv;
$body = file_get_contents('php://stdin');
$signature = hash_hmac('sha256', $body, base64_decode($secret, true));
$answer = fopen($url, 'r', false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [
        'Content-Type: application/json',
        "X-Hub-Signature-256: sha256=$signature",
        "Idempotency-Key: $id",
    ],
    'content' => $body, // the bytes that were signed, not an array that is serialized again
    'timeout' => 30,
    'ignore_errors' => true, // hand over the answer of a refusal too
]]));
if ($answer === false) {
    exit(1);
}
$status = (int) explode(' ', stream_get_meta_data($answer)['wrapper_data'][0])[1];
echo "$status ", stream_get_contents($answer), "\n";
exit(intdiv($status, 100) === 2 ? 0 : 1);
