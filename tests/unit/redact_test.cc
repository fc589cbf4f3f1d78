#include "lib/base/redact.h"

#include "tests/unit/catch.h"
#include "tests/unit/support.h"

namespace stasis {
namespace {

using test::contains;

TEST_CASE("names of secrets are known") {
    for (const char* name :
         {"password", "DB_PASSWORD", "passwd", "MYSQL_ROOT_PASSWORD_FILE", "client_secret", "ApiToken", "credentials",
          "Authorization", "key", "apiKey", "AWS_ACCESS_KEY", "ssh-keys", "DB_PASS", "pass", "--pwd", "ssl.passphrase"})
        CHECK(names_secret(name));
    for (const char* name : {"keyring", "keyboard", "bypass", "passes", "path", "compass", "network", "", "tok"})
        CHECK_FALSE(names_secret(name));
}

TEST_CASE("secrets are taken out of text, with all that belongs to them") {
    const std::pair<const char*, const char*> kCases[] = {
        {"run --password=CANARY now", "run --password=<redacted> now"},
        {"run --password CANARY now", "run --password <redacted> now"},
        {"run --password='CANARY CANARY' now", "run --password=<redacted> now"},
        {"run --password 'CANARY'\\''CANARY CANARY' now", "run --password <redacted> now"},
        {"TOKEN=\"CANARY \\\" CANARY\" run", "TOKEN=<redacted> run"},
        {"token = CANARY\nnext", "token = <redacted>\nnext"},
        {"Authorization: Bearer CANARY\nnext", "Authorization: <redacted>\nnext"},
        {"{\"secret\": \"CANARY\", \"user\": \"me\"}", "{\"secret\": <redacted>, \"user\": \"me\"}"},
        {"\"{\\\"api_key\\\": \\\"CANARY CANARY\\\", \\\"a\\\": 1}\"",
         "\"{\\\"api_key\\\": <redacted>, \\\"a\\\": 1}\""},
        {"postgres://me:CANARY@host/db", "postgres://me:<redacted>@host/db"},
        {"http://me:CAN@ARY@host", "http://me:<redacted>@host"},
        {"?access_token=CANARY&x=CANARY", "?access_token=<redacted>"},
        {"a\n-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----\nb",
         "a\n-----BEGIN<redacted>-----END RSA PRIVATE KEY-----\nb"},
        {"password='CANARY never closed\nnext", "password=<redacted>\nnext"},
        {"password=CANARY", "password=<redacted>"},
    };
    for (const auto& [text, expected] : kCases) CHECK(redact_text(text) == expected);
}

TEST_CASE("text without secrets stays as it is") {
    for (const char* text :
         {"", "password", "password=", "--password", "the password is wrong", "Speculative Store Bypass: Mitigation",
          "(00.012) Error (criu/tty.c:1): tty: can't", "http://host:80/path@x", "PATH=/bin", "token\n=x",
          "0 -> socket:[12]", "25 1 254:0 / / rw shared:1 - ext4 /dev/vda rw"})
        CHECK(redact_text(text) == text);
}

Json redacted(const char* document) { return redact_json(Json::parse(document)); }

TEST_CASE("environment variables lose their values, whatever they are called") {
    CHECK(redacted(R"({"process":{"env":["A=CANARY=1","HOME=/root","CANARY"]}})") ==
          Json::parse(R"({"process":{"env":["A=<redacted>","HOME=<redacted>","<redacted>"]}})"));
    CHECK(redacted(R"({"hooks":{"prestart":[{"path":"/bin/x","env":["A=CANARY"]}]}})") ==
          Json::parse(R"({"hooks":{"prestart":[{"path":"/bin/x","env":["A=<redacted>"]}]}})"));
    CHECK(redacted(R"({"Env":{"A":"CANARY","B":["CANARY"]}})") ==
          Json::parse(R"({"Env":{"A":"<redacted>","B":"<redacted>"}})"));
    CHECK(redacted(R"({"env":"A=CANARY"})") == Json::parse(R"({"env":"<redacted>"})"));
}

TEST_CASE("values of secret keys are taken out of documents") {
    CHECK(redacted(R"({"annotations":{"org.x.token":"CANARY","org.x.name":"kept"}})") ==
          Json::parse(R"({"annotations":{"org.x.token":"<redacted>","org.x.name":"kept"}})"));
    CHECK(
        redacted(R"({"credentials":{"user":"CANARY"},"secret":["CANARY"],"pass":7,"token":null,"use_token":true})") ==
        Json::parse(
            R"({"credentials":"<redacted>","secret":"<redacted>","pass":"<redacted>","token":null,"use_token":true})"));
    CHECK(
        redacted(
            R"([{"name":"DB_PASSWORD","value":"CANARY"},{"key":"api_key","value":"CANARY"},{"key":"external","value":"mnt"}])") ==
        Json::parse(
            R"([{"name":"DB_PASSWORD","value":"<redacted>"},{"key":"api_key","value":"<redacted>"},{"key":"external","value":"mnt"}])"));
    CHECK(redacted(R"({"key":"CANARY"})") == Json::parse(R"({"key":"<redacted>"})"));
}

TEST_CASE("arguments are looked at one by one and in pairs") {
    CHECK(
        redacted(R"({"args":["x","--password","CANARY","--token=CANARY","-v","sh","-c","run --secret CANARY"]})") ==
        Json::parse(
            R"({"args":["x","--password","<redacted>","--token=<redacted>","-v","sh","-c","run --secret <redacted>"]})"));
    const char* system_calls = R"({"names":["add_key","keyctl","request_key","rmdir"]})";
    CHECK(redacted(system_calls) == Json::parse(system_calls));
}

TEST_CASE("variables of an engine's command line lose their values") {
    CHECK(
        redacted(
            R"({"CreateCommand":["podman","run","--env","MOTTO=CANARY","-e","A=CANARY","--env=B=CANARY","box"]})") ==
        Json::parse(
            R"({"CreateCommand":["podman","run","--env","MOTTO=<redacted>","-e","A=<redacted>","--env=B=<redacted>","box"]})"));
}

TEST_CASE("a document within a string is a document") {
    const std::string text = redacted(R"({"last-applied":"{\"env\":[\"A=CANARY\"],\"kind\":\"Pod\"}"})").dump();
    CHECK_FALSE(contains(text, "CANARY"));
    CHECK(contains(text, "Pod"));
    CHECK(redacted(R"({"a":"[not json"})") == Json::parse(R"({"a":"[not json"})"));
}

}  // namespace
}  // namespace stasis
