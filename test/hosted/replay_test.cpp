// SPDX-License-Identifier: MIT
// Recorded traces of real programs on the map, with a model beside it; what is no trace; and the
// picture of an address space (test/replay).
#include "replay/picture.hpp"
#include "replay/replay.hpp"

#include "lib/map_bars.hpp"

#include <doctest/doctest.h>

#include <sstream>

namespace {

using replay::Failure;
using replay::Operation;
using replay::Outcome;
using replay::Replay;

constexpr std::uint64_t memory = 128ULL << 20;

std::vector<Operation> parse(const std::string& text) {
    std::istringstream stream(text);
    return replay::parse(stream);
}
Outcome run(const std::string& text) { return Replay(parse(text), memory).run(true); }

/// "LINE: why" of what is refused.
std::string failure_of(const std::string& text) {
    try {
        parse(text);
    } catch (const Failure& failure) {
        return std::to_string(failure.line) + ": " + failure.what();
    }
    return "none";
}

struct Recorded {
    const char* name;
    std::size_t operations;
};

} // namespace

TEST_CASE("recorded traces of real programs replay with every check held") {
    for (const auto& [name, operations] :
         {Recorded{"firefox", 2972}, {"mpv", 1818}, {"cc1plus", 402}, {"python", 345}}) {
        CAPTURE(std::string(name));
        const auto trace = replay::parse_file("test/workloads/" + std::string(name) + ".map");
        const Outcome outcome = Replay(trace, memory).run(false);
        CHECK(outcome.operations == operations);
        CHECK(outcome.refused == 0);
    }
}

TEST_CASE("a trace with every operation replays, with checks of the whole map at each step") {
    const Outcome outcome = run("# every operation\n"
                                "0 brk 0x500123\n"
                                "0 brk 0x508000\n"
                                "0 brk 0x502000\n"
                                "\n"
                                "0 map 0x10000000 8193 rw- pa--- - 0\n"
                                "0 map 0x10001000 4096 rwx pax-- - 0\n"
                                "0 map 0x20000000 1048576 rw- sa--- - 0\n"
                                "0 map 0x30000000 65536 r-x pf--- 3 8192\n"
                                "0 map 0x30004000 16384 rw- pfx-- 3 4096\n"
                                "0 map 0x40000000 65536 rw- sfh-- name 0\n"
                                "0 map 0x100000000000 1539316278886 --- pa--n - 0\n"
                                "1 protect 0x100000001000 4096 rw-\n"
                                "1 protect 0x30000000 131072 r--\n"
                                "1 protect 0x10000000 4096 ---\n"
                                "1 fork\n"
                                "1 protect 0x10000000 4096 rwx\n"
                                "1 advise 0x10000000 1048576 MADV_DONTNEED\n"
                                "1 advise 0x20000000 4096 MADV_DONTNEED\n"
                                "1 advise 0x30000000 4096 MADV_FREE\n"
                                "0 remap 0x10000000 12288 0x50000000 65536\n"
                                "0 remap 0x30000000 65536 0x60000000 4096\n"
                                "0 remap 0x50000000 65536 0x50000000 131072\n"
                                "0 remap 0x50000000 131072 0x50000000 8192\n"
                                "0 remap 0x70000000 4096 0x71000000 4096\n"
                                "0 fork\n"
                                "0 unmap 0x0000000000010000 140737488281600\n");
    CHECK(outcome.operations == 25);
    CHECK(outcome.refused == 3); // two of write and execute, one move of nothing
}

TEST_CASE("what the replay did stands in the map") {
    const auto trace = parse("0 map 10000000 8192 rw- pa--- - 0\n"
                             "0 map 30000000 8192 r-- pf--- 3 4096\n"
                             "0 map 40000000 1073741824 --- pa--- - 0\n");
    Replay replay(trace, memory);
    replay.run(true);
    std::ostringstream picture;
    std::vector<abi::Run> runs(8);
    runs.resize(replay.space().query(VirtAddr{0}, runs));
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].present == 2);
    CHECK(runs[1].offset == 4096);
    CHECK(runs[2].state == abi::State::lazy);
    replay::draw(picture, runs, "three < four & more");
    const std::string svg = picture.str();
    CHECK(svg.find("three &lt; four &amp; more: 3 runs, 1024.0 MiB") != std::string::npos);
    CHECK(svg.find("level 4") != std::string::npos);
    CHECK(svg.find("level 2") != std::string::npos);
    CHECK(svg.find("#c0392b") != std::string::npos);
}

TEST_CASE("a line that is no operation is refused with its number") {
    CHECK(failure_of("# all well\n\n0 fork\n") == "none");
    CHECK(failure_of("0 fork\n0 frok\n") == "2: unknown operation 'frok'");
    CHECK(failure_of("0\n") == "1: no operation");
    CHECK(failure_of("a fork\n") == "1: thread 'a' is no decimal number");
    CHECK(failure_of("0 unmap 0x10g00 4096\n") == "1: address '0x10g00' is no hexadecimal number");
    CHECK(failure_of("0 unmap 0x 4096\n") == "1: address '0x' is no hexadecimal number");
    CHECK(failure_of("0 unmap 0x11112222333344445 4096\n") ==
          "1: address '0x11112222333344445' is beyond 64 bits");
    CHECK(failure_of("0 unmap 0x10100 4096\n") == "1: the address is no multiple of the page size");
    CHECK(failure_of("0 unmap 0x20000 -4096\n") == "1: length '-4096' is no decimal number");
    CHECK(failure_of("0 unmap 0x20000 0x1000\n") == "1: length '0x1000' is no decimal number");
    CHECK(failure_of("0 unmap 0x20000 0\n") == "1: the length is 0");
    CHECK(failure_of("0 unmap 0x20000 18446744073709551615\n") ==
          "1: the range ends outside of user space");
    CHECK(failure_of("0 unmap 0x800000000000 4096\n") ==
          "1: the address lies outside of user space");
    CHECK(failure_of("0 unmap 0x0 4096\n") == "1: the address lies outside of user space");
    CHECK(failure_of("0 unmap 0x20000 4096 r--\n") == "1: 'r--' is one word too many");
    CHECK(failure_of("0 protect 0x20000 4096\n") == "1: no access");
    CHECK(failure_of("0 protect 0x20000 4096 wr-\n") ==
          "1: access 'wr-' is not like 'rwx' or 'r--'");
    CHECK(failure_of("0 map 0x20000 4096 r-- xa--- - 0\n") ==
          "1: kind 'xa---' is not like 'pa---' or 'sfxgn'");
    CHECK(failure_of("0 map 0x20000 4096 r-- pf--- 3 100\n") ==
          "1: the offset is no multiple of the page size");
    CHECK(failure_of("0 map 0x20000 4096 r-- pf--- 3 18446744073709547520\n") ==
          "1: the offset is beyond all files");
    CHECK(failure_of("0 remap 0x20000 8192 0x21000 8192\n") ==
          "1: the old and the new range overlap");
    CHECK(failure_of("0 brk 0xffffffffffffffff\n") == "1: the address lies outside of user space");
    CHECK(failure_of("0 advise 0x20000 4096 DONTNEED\n") ==
          "1: advice 'DONTNEED' is not like 'MADV_…'");
    CHECK_THROWS_AS(replay::parse_file("test/workloads/none.map"), Failure);
}

TEST_CASE("the bars of a map show what most of a cell is, and only tables that say something") {
    constexpr std::uint64_t mib = 1ULL << 20;
    constexpr std::uint64_t gib = 1ULL << 30;
    const auto run = [](std::uint64_t start, std::uint64_t bytes, abi::State state) {
        abi::Run made{};
        made.start = start;
        made.end = start + bytes;
        made.state = state;
        return made;
    };
    const abi::Run runs[] = {
        run(gib, 4096, abi::State::present),
        run(gib + mib, mib / 2, abi::State::file),
        run(gib + 2 * mib, 2 * mib, abi::State::lazy),
        run(2 * gib, 4 * gib, abi::State::shared), // no bar of its own below level 3
        run(8 * gib - mib, 2 * mib, abi::State::callback),
    };
    std::vector<lib::MapBar> bars;
    const auto keep = [&](const lib::MapBar& bar) { bars.push_back(bar); };
    lib::MapBars level2(2);
    for (const abi::Run& one : runs) level2.add(one, keep);
    level2.finish(keep);
    REQUIRE(bars.size() == 3);
    CHECK(bars[0].base == gib);
    CHECK(bars[0].colours[0] == lib::MapColour::file);
    CHECK(bars[0].colours[1] == lib::MapColour::reserved); // lazy, without access
    CHECK(bars[0].colours[2] == lib::MapColour::hole);
    CHECK(bars[1].base == 7 * gib);
    CHECK(bars[1].colours[511] == lib::MapColour::callback);
    CHECK(bars[2].base == 8 * gib);
    CHECK(bars[2].colours[0] == lib::MapColour::callback);
    bars.clear();
    lib::MapBars level3(3);
    for (const abi::Run& one : runs) level3.add(one, keep);
    level3.finish(keep);
    REQUIRE(bars.size() == 1);
    CHECK(bars[0].colours[0] == lib::MapColour::hole);
    CHECK(bars[0].colours[1] == lib::MapColour::reserved);
    CHECK(bars[0].colours[5] == lib::MapColour::shared);
    CHECK(bars[0].colours[8] == lib::MapColour::callback);
}
