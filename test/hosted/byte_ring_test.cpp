// SPDX-License-Identifier: MIT
// lib::ByteRing: order, refusal, wrapping round.
#include "lib/byte_ring.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace {

std::string take(lib::ByteRing<8>& ring, std::size_t most) {
    std::string text(most, '\0');
    text.resize(ring.pop(text));
    return text;
}

bool put(lib::ByteRing<8>& ring, std::string_view text) { return ring.push(text); }

} // namespace

TEST_CASE("byte ring: gives back in order, as much as is asked for") {
    lib::ByteRing<8> ring;
    CHECK(ring.empty());
    CHECK(take(ring, 4).empty());
    CHECK(put(ring, "abcde"));
    CHECK(ring.size() == 5);
    CHECK(take(ring, 2) == "ab");
    CHECK(take(ring, 8) == "cde");
    CHECK(ring.empty());
}

TEST_CASE("byte ring: refuses what does not fit as a whole, and keeps what it has") {
    lib::ByteRing<8> ring;
    CHECK(put(ring, "123456"));
    CHECK_FALSE(put(ring, "\x1b[A"));
    CHECK(put(ring, "78"));
    CHECK_FALSE(put(ring, "9"));
    CHECK(put(ring, ""));
    CHECK(take(ring, 9) == "12345678");
}

TEST_CASE("byte ring: wraps round at every place") {
    lib::ByteRing<8> ring;
    for (int turn = 0; turn < 100; ++turn) {
        CHECK(put(ring, "wxyz!"));
        CHECK(take(ring, 3) == "wxy");
        CHECK(take(ring, 3) == "z!");
    }
}
