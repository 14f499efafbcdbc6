<?php
// php sign.php SECRET < body: prints the header that signs exactly these bytes.

$key = base64_decode($argv[1], true); // the secret is base64; the key is the bytes it stands for
if ($key === false || $key === '') {
    fwrite(STDERR, "sign.php: the secret is not base64\n");
    exit(1);
}
$body = file_get_contents('php://stdin'); // bytes: sign what goes over the wire
echo 'X-Hub-Signature-256: sha256=', hash_hmac('sha256', $body, $key), "\n";
