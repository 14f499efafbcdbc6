<?php
// php standard-webhooks.php SECRET ID [TIMESTAMP] < body: prints the three headers that sign exactly these bytes.
// ID names the event and stays the same when it is sent again; TIMESTAMP is the time of this attempt, by default now.

$key = base64_decode(preg_replace('/^whsec_/', '', $argv[1]), true); // the key is the bytes after whsec_
if ($key === false || $key === '') {
    fwrite(STDERR, "standard-webhooks.php: the secret is not whsec_ and base64\n");
    exit(1);
}
[$id, $timestamp] = [$argv[2], $argv[3] ?? time()];
$body = file_get_contents('php://stdin'); // bytes: sign what goes over the wire
$signature = base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
echo "webhook-id: $id\nwebhook-timestamp: $timestamp\nwebhook-signature: v1,$signature\n";
