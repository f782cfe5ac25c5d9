// SPDX-License-Identifier: MIT
// The ustar reader: archives made here and by tar, and hostile ones.
#include "lib/ustar.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct Archive {
    std::vector<std::byte> bytes;

    void checksum(std::size_t header) {
        char* base = reinterpret_cast<char*>(bytes.data()) + header;
        std::memset(base + 148, ' ', 8);
        unsigned total = 0;
        for (int i = 0; i < 512; ++i) total += static_cast<unsigned char>(base[i]);
        std::snprintf(base + 148, 8, "%06o", total);
    }
    std::size_t add(const std::string& name, const std::string& content, char type = '0',
                    const std::string& prefix = "") {
        const std::size_t header = bytes.size();
        bytes.resize(header + 512 + (content.size() + 511) / 512 * 512);
        char* base = reinterpret_cast<char*>(bytes.data()) + header;
        std::memcpy(base, name.data(), name.size());
        std::memcpy(base + 100, "0000755", 8);
        std::snprintf(base + 124, 12, "%011o", static_cast<unsigned>(content.size()));
        base[156] = type;
        std::memcpy(base + 257, "ustar\00000", 8);
        std::memcpy(base + 345, prefix.data(), prefix.size());
        std::memcpy(base + 512, content.data(), content.size());
        checksum(header);
        return header;
    }
    void end() { bytes.resize(bytes.size() + 1024); }
};

std::string path(const lib::UstarEntry& entry) {
    lib::FixedText<300> text;
    entry.write_path(text);
    return std::string(text.view());
}

Archive sample() {
    Archive archive;
    archive.add("./bin/", "", '5');
    archive.add("./bin/sh", std::string(513, 's'));
    archive.add("empty", "");
    archive.add("deep/file", "content", '0', "a/long/prefix");
    archive.add(std::string(100, 'n'), "full name field");
    archive.end();
    return archive;
}

} // namespace

TEST_CASE("members in order") {
    const Archive archive = sample();
    lib::UstarReader reader(archive.bytes);
    std::vector<std::string> paths;
    for (;;) {
        auto entry = reader.next();
        REQUIRE(entry.ok());
        if (!entry->has_value()) break;
        paths.push_back(path(**entry));
    }
    CHECK(paths == std::vector<std::string>{"bin", "bin/sh", "empty", "a/long/prefix/deep/file",
                                            std::string(100, 'n')});
    // At the end it stays at the end.
    auto again = reader.next();
    REQUIRE(again.ok());
    CHECK_FALSE(again->has_value());
}

TEST_CASE("find") {
    const Archive archive = sample();
    auto shell = lib::ustar_find(archive.bytes, "/bin/sh");
    REQUIRE(shell.ok());
    CHECK(shell->content.size() == 513);
    CHECK(shell->mode == 0755);
    CHECK(shell->kind == lib::UstarEntry::Kind::file);
    auto deep = lib::ustar_find(archive.bytes, "a/long/prefix/deep/file");
    REQUIRE(deep.ok());
    CHECK(lib::as_text(deep->content) == "content");
    CHECK(lib::ustar_find(archive.bytes, "./bin/").ok());
    CHECK(lib::ustar_find(archive.bytes, std::string(100, 'n')).ok());
    CHECK(lib::ustar_find(archive.bytes, "empty").ok());
    for (const char* absent : {"bin/s", "bin/shx", "a/long/prefix", "deep/file", "sh",
                               "a/long/prefixdeep/file", "", "a/long/prefix/"}) {
        CAPTURE(absent);
        CHECK(lib::ustar_find(archive.bytes, absent).error() == Error::not_found);
    }
}

TEST_CASE("a directory's or link's size is no content; extended headers are stepped over") {
    Archive archive;
    const std::size_t directory = archive.add("d", "", '5');
    std::memcpy(archive.bytes.data() + directory + 124, "00000001000", 12);
    archive.checksum(directory);
    archive.add("d/x", "17 path=other\n", 'x');
    archive.add("d/x", "after", '0');
    archive.end();
    auto found = lib::ustar_find(archive.bytes, "d/x");
    REQUIRE(found.ok());
    CHECK(lib::as_text(found->content) == "after");
}

TEST_CASE("damage is an error") {
    const Archive good = sample();
    SUBCASE("any byte of a header") {
        std::size_t undetected = 0;
        for (std::size_t at = 512; at < 1024; ++at) {
            Archive bad = good;
            bad.bytes[at] ^= std::byte{0x40};
            const bool checksum_padding = at == 512 + 155; // behind its NUL
            if (lib::ustar_find(bad.bytes, "nowhere").error() != Error::bad_format &&
                !checksum_padding) {
                ++undetected;
            }
        }
        CHECK(undetected == 0);
    }
    SUBCASE("cut anywhere") {
        for (std::size_t size = 0; size + 1024 < good.bytes.size(); ++size) {
            const std::vector<std::byte> cut(
                good.bytes.begin(), good.bytes.begin() + static_cast<std::ptrdiff_t>(size));
            REQUIRE(lib::ustar_find(cut, "nowhere").error() == Error::bad_format);
        }
    }
    SUBCASE("sizes that lie") {
        for (const char* size : {"77777777777", "00000100000", "0000000000x", "           ",
                                 "-0000000001", "\x80\0\0\0\0\0\0\0\0\0\1"}) {
            Archive bad = good;
            std::memcpy(bad.bytes.data() + 512 + 124, size, 11);
            bad.checksum(512);
            CHECK(lib::ustar_find(bad.bytes, "nowhere").error() == Error::bad_format);
        }
    }
    SUBCASE("a size without a terminator") {
        Archive archive;
        archive.add("f", "abc");
        archive.end();
        std::memcpy(archive.bytes.data() + 124, "000000000003", 12);
        archive.checksum(0);
        REQUIRE(lib::ustar_find(archive.bytes, "f").ok());
    }
    SUBCASE("another format") {
        Archive bad = good;
        std::memcpy(bad.bytes.data() + 257, "ustar  ", 8);
        bad.checksum(0);
        CHECK(lib::ustar_find(bad.bytes, "bin/sh").error() == Error::bad_format);
    }
}

TEST_CASE("what tar itself writes") {
    FILE* pipe = popen("cd /usr/include/doctest && tar --format=ustar -cf - .", "r");
    REQUIRE(pipe != nullptr);
    std::vector<std::byte> bytes(4 << 20);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), pipe));
    REQUIRE(pclose(pipe) == 0);
    auto header = lib::ustar_find(bytes, "doctest.h");
    REQUIRE(header.ok());
    CHECK(lib::as_text(header->content).find("doctest") != std::string_view::npos);
    CHECK(lib::ustar_find(bytes, "nowhere").error() == Error::not_found);
}
