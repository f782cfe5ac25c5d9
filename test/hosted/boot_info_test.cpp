// SPDX-License-Identifier: MIT
// Boot information of both protocols: well-formed, cut off, overlong, empty, doubled, overlapping.
#include "lib/boot_info/multiboot2.hpp"
#include "lib/boot_info/pvh.hpp"
#include "lib/boot_info/rsdp.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

using namespace lib::boot_info;

namespace {

/// Physical memory with things in it.
struct Memory {
    std::vector<std::byte> bytes = std::vector<std::byte>(0x120000);

    template <typename T>
    void put(std::uint64_t at, T value) {
        REQUIRE(at + sizeof value <= bytes.size());
        std::memcpy(&bytes[at], &value, sizeof value);
    }
    void put_text(std::uint64_t at, std::string_view text) {
        std::memcpy(&bytes[at], text.data(), text.size());
    }
};

/// A root pointer with right checksums.
std::vector<std::byte> root_pointer(std::uint8_t revision) {
    std::vector<std::byte> bytes(revision >= 2 ? 36 : 20);
    std::memcpy(bytes.data(), "RSD PTR ", 8);
    bytes[15] = std::byte{revision};
    const auto fix = [&](std::size_t size, std::size_t at) {
        unsigned sum = 0;
        for (std::size_t i = 0; i < size; ++i) sum += std::to_integer<unsigned>(bytes[i]);
        bytes[at] = static_cast<std::byte>(256 - sum % 256);
    };
    fix(20, 8);
    if (revision >= 2) fix(36, 32);
    return bytes;
}

/// Writes Multiboot2 information, tag by tag, at 0x8000.
struct Multiboot2 {
    static constexpr std::uint64_t start = 0x8000;
    Memory memory;
    std::uint64_t at = start + 8;

    template <typename... Fields>
    void tag(std::uint32_t type, Fields... fields) {
        const std::uint64_t begin = at;
        memory.put(at, type);
        at += 8;
        (field(fields), ...);
        memory.put(begin + 4, static_cast<std::uint32_t>(at - begin));
        at = align_up(at, 8);
    }
    void field(std::string_view text) {
        memory.put_text(at, text);
        at += text.size() + 1;
    }
    void field(const std::vector<std::byte>& bytes) {
        std::copy(bytes.begin(), bytes.end(), memory.bytes.begin() + static_cast<long>(at));
        at += bytes.size();
    }
    template <std::integral T>
    void field(T value) {
        memory.put(at, value);
        at += sizeof value;
    }
    void range(std::uint64_t from, std::uint64_t bytes, std::uint32_t type) {
        field(from);
        field(bytes);
        field(type);
        field(0U);
    }
    void end() {
        tag(0);
        memory.put(start, static_cast<std::uint32_t>(at - start));
    }
    Result<void> parse(BootInformation& information) {
        return parse_multiboot2(memory.bytes, PhysAddr{start}, information);
    }
};

void framebuffer_tag(Multiboot2& boot, std::uint64_t address, std::uint32_t pitch,
                     std::uint32_t width, std::uint8_t depth, std::uint8_t kind) {
    boot.tag(8, address, pitch, width, 768U, depth, kind, std::uint16_t{0}, std::uint8_t{16},
             std::uint8_t{8}, std::uint8_t{8}, std::uint8_t{8}, std::uint8_t{0}, std::uint8_t{8});
}

struct Entry {
    std::uint64_t start, bytes;
    std::uint32_t type, reserved = 0;
};

/// PVH start information at 0x6000, two ranges at 0x6100, a module list at 0x6200.
Memory pvh_memory() {
    Memory memory;
    memory.put<std::uint32_t>(0x6000, 0x336ec578);
    memory.put<std::uint32_t>(0x6004, 1);
    memory.put<std::uint32_t>(0x600c, 1);
    memory.put<std::uint64_t>(0x6010, 0x6200);
    memory.put<std::uint64_t>(0x6018, 0x6300);
    memory.put<std::uint64_t>(0x6020, 0x6400);
    memory.put<std::uint64_t>(0x6028, 0x6100);
    memory.put<std::uint32_t>(0x6030, 2);
    memory.put(0x6100, Entry{0, 0x9fc00, 1});
    memory.put(0x6118, Entry{0x100000, 0x7ee0000, 1});
    memory.put<std::uint64_t>(0x6200, 0x7f00000);
    memory.put<std::uint64_t>(0x6208, 0x2800);
    memory.put_text(0x6300, "ktest run=ls /");
    const auto pointer = root_pointer(2);
    std::copy(pointer.begin(), pointer.end(), memory.bytes.begin() + 0x6400);
    return memory;
}

} // namespace

TEST_CASE("root pointer: both versions, and what is wrong") {
    CHECK(read_rsdp(root_pointer(0))->size == 20);
    CHECK(read_rsdp(root_pointer(2))->size == 36);
    for (const std::uint8_t revision : {std::uint8_t{0}, std::uint8_t{2}}) {
        for (std::size_t i = 0; i < root_pointer(revision).size(); ++i) {
            auto bytes = root_pointer(revision);
            bytes[i] ^= std::byte{0x10};
            CHECK_FALSE(read_rsdp(bytes).ok());
            CHECK_FALSE(read_rsdp(lib::Bytes(root_pointer(revision)).first(i)).ok());
        }
    }
}

TEST_CASE("root pointer: found in the BIOS's memory") {
    Memory memory;
    CHECK(find_rsdp(memory.bytes).error() == Error::not_found);
    CHECK(find_rsdp(lib::Bytes(memory.bytes).first(0x1000)).error() == Error::not_found);
    const auto pointer = root_pointer(0);
    std::copy(pointer.begin(), pointer.end(), memory.bytes.begin() + 0xf5b08);
    CHECK_FALSE(find_rsdp(memory.bytes).ok()); // not at a multiple of 16
    std::copy(pointer.begin(), pointer.end(), memory.bytes.begin() + 0xf5b20);
    CHECK(find_rsdp(memory.bytes)->size == 20);
}

TEST_CASE("multiboot2: everything in one") {
    Multiboot2 boot;
    boot.tag(1, std::string_view("run=ls /"));
    boot.tag(21, 0x100000U); // load base: unknown here, and not a multiple of 8 long
    boot.tag(3, 0x300000U, 0x302800U, std::string_view("boot.tar"));
    boot.tag(6, 24U, 0U, 0ULL, 0x9fc00ULL, 1U, 0U, 0xfffc0000ULL, 0x40000ULL, 2U, 0U);
    framebuffer_tag(boot, 0xfd000000, 4096, 1024, 32, 1);
    boot.tag(14, root_pointer(0));
    boot.tag(15, root_pointer(2));
    boot.tag(12, 0x7f00000ULL);
    boot.end();
    BootInformation information;
    REQUIRE(boot.parse(information).ok());
    CHECK(information.command_line() == "run=ls /");
    CHECK(information.module == PhysRange{{0x300000}, {0x302800}});
    CHECK(information.efi);
    CHECK(information.rsdp->size == 36);
    CHECK(information.framebuffer->width == 1024);
    CHECK(information.framebuffer->red == ColourField{16, 8});
    const auto ranges = information.memory.ranges();
    REQUIRE(ranges.size() == 4);
    CHECK(ranges[0].type == MemoryType::boot_data); // the information itself
    CHECK(ranges[0].range.start == PhysAddr{Multiboot2::start});
    CHECK(ranges[1].type == MemoryType::boot_data); // the module
    CHECK(ranges[3].type == MemoryType::reserved);
}

TEST_CASE("multiboot2: no command line, no module, no framebuffer") {
    Multiboot2 boot;
    boot.end();
    BootInformation information;
    CHECK(boot.parse(information).ok());
    CHECK(information.command_line().empty());
    CHECK_FALSE(information.module);
    CHECK_FALSE(information.framebuffer);
    CHECK_FALSE(information.efi);
}

TEST_CASE("multiboot2: phantom and impossible framebuffers are none") {
    const auto seen = [](std::uint64_t address, std::uint32_t pitch, std::uint32_t width,
                         std::uint8_t depth, std::uint8_t kind) {
        Multiboot2 boot;
        framebuffer_tag(boot, address, pitch, width, depth, kind);
        boot.end();
        BootInformation information;
        REQUIRE(boot.parse(information).ok());
        return information.framebuffer.has_value();
    };
    CHECK_FALSE(seen(0, 0, 0, 0, 0));
    CHECK_FALSE(seen(0, 4096, 1024, 32, 1));
    CHECK_FALSE(seen(0xfd000000, 4096, 0, 32, 1));
    CHECK_FALSE(seen(0xfd000000, 4095, 1024, 32, 1)); // lines overlap
    CHECK_FALSE(seen(0xfd000000, 4096, 1024, 8, 0));  // a palette
    CHECK_FALSE(seen(0xfd000000, 4096, 1024, 0, 1));
    CHECK_FALSE(seen(0xfd000000, 4096, 1024, 16, 1)); // red would lie outside
    CHECK_FALSE(seen(~0ULL - 100, 4096, 1024, 32, 1));
    CHECK(seen(0xfd000000, 3072, 1024, 24, 1));
    CHECK(seen(0xfd000000, 5000, 1024, 32, 1)); // an odd pitch
    CHECK(seen(0xb8000, 160, 80, 16, 2));       // text
}

TEST_CASE("multiboot2: the first of doubled tags counts; all modules are kept off") {
    Multiboot2 boot;
    boot.tag(1, std::string_view("one"));
    boot.tag(1, std::string_view("two"));
    boot.tag(3, 0x300000U, 0x301000U);
    boot.tag(3, 0x400000U, 0x402000U);
    boot.tag(3, 0x500000U, 0x500000U); // empty
    boot.end();
    BootInformation information;
    REQUIRE(boot.parse(information).ok());
    CHECK(information.command_line() == "one");
    CHECK(information.module == PhysRange{{0x300000}, {0x301000}});
    CHECK(information.memory.ranges().size() == 3);
}

TEST_CASE("multiboot2: malformed") {
    const auto error = [](auto&& build) {
        Multiboot2 boot;
        build(boot);
        BootInformation information;
        const auto result = boot.parse(information);
        return result.ok() ? Error{} : result.error();
    };
    const auto bad = Error::bad_format;
    CHECK(error([](Multiboot2& boot) { boot.memory.put(boot.start, 0U); }) == bad);
    CHECK(error([](Multiboot2& boot) { boot.memory.put(boot.start, 0xffff'ffffU); }) == bad);
    CHECK(error([](Multiboot2& boot) { boot.memory.put(boot.start, 64U); }) == bad); // no end
    CHECK(error([](Multiboot2& boot) {
              boot.tag(1);
              boot.end();
              boot.memory.put(boot.start + 12, 4U); // a tag shorter than its head
          }) == bad);
    CHECK(error([](Multiboot2& boot) {
              boot.tag(1);
              boot.end();
              boot.memory.put(boot.start + 12, 0xffff'fff8U);
          }) == bad);
    CHECK(error([](Multiboot2& boot) {
              boot.tag(3, 0x2000U, 0x1000U);
              boot.end();
          }) == bad);
    CHECK(error([](Multiboot2& boot) {
              boot.tag(6, 0U, 0U, 0ULL, 0x1000ULL, 1U, 0U); // entries of no size
              boot.end();
          }) == bad);
    CHECK(error([](Multiboot2& boot) {
              boot.tag(6, 24U, 0U, 0ULL, 0x1000ULL); // cut off
              boot.end();
          }) == bad);
    BootInformation information;
    const std::vector<std::byte> none;
    CHECK(parse_multiboot2(none, PhysAddr{0}, information).error() == bad);
    CHECK(parse_multiboot2(none, PhysAddr{~0ULL - 7}, information).error() == bad);
    CHECK(parse_multiboot2(none, PhysAddr{4}, information).error() == bad);
}

TEST_CASE("multiboot2: a map with more ranges than there is room for") {
    for (const std::uint32_t type : {1U, 2U}) {
        Multiboot2 boot;
        const std::uint64_t begin = boot.at;
        boot.memory.put(begin, 6U);
        boot.at += 8;
        boot.field(32U); // entries longer than they need be
        boot.field(0U);
        for (std::uint64_t i = 0; i < 300; ++i) {
            boot.range(i << 20, 0x1000, type);
            boot.field(0ULL);
        }
        boot.memory.put(begin + 4, static_cast<std::uint32_t>(boot.at - begin));
        boot.end();
        BootInformation information;
        const auto result = boot.parse(information);
        CHECK(result.ok() == (type == 1));
        if (!result) CHECK(result.error() == Error::limit_reached);
        CHECK(information.memory.ranges().size() == RawMemoryMap::capacity);
    }
}

TEST_CASE("multiboot2: cut off anywhere or changed at random, it never reads outside") {
    Multiboot2 boot;
    boot.tag(1, std::string_view("run=ls /"));
    boot.tag(3, 0x300000U, 0x302800U, std::string_view("boot.tar"));
    boot.tag(6, 24U, 0U, 0ULL, 0x9fc00ULL, 1U, 0U, 0xfffc0000ULL, 0x40000ULL, 2U, 0U);
    framebuffer_tag(boot, 0xfd000000, 4096, 1024, 32, 1);
    boot.tag(15, root_pointer(2));
    boot.end();
    const std::size_t size = boot.at - boot.start;
    for (std::size_t cut = 0; cut < size; ++cut) {
        // A vector of exactly that length, so that the sanitizer sees a byte too many.
        const std::vector<std::byte> part(boot.memory.bytes.begin() + boot.start,
                                          boot.memory.bytes.begin() +
                                              static_cast<long>(boot.start + cut));
        BootInformation information;
        CHECK_FALSE(parse_multiboot2(part, PhysAddr{0}, information).ok());
    }
    std::mt19937_64 random(2);
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> part(boot.memory.bytes.begin() + boot.start,
                                    boot.memory.bytes.begin() +
                                        static_cast<long>(boot.start + size));
        for (std::uint64_t changes = random() % 4 + 1; changes > 0; --changes) {
            part[random() % size] = static_cast<std::byte>(random());
        }
        BootInformation information;
        (void)parse_multiboot2(part, PhysAddr{0}, information).ok();
        CHECK(information.command_line_size <= information.command_line_bytes.size());
    }
}

TEST_CASE("pvh: everything in one") {
    const Memory memory = pvh_memory();
    BootInformation information;
    REQUIRE(parse_pvh(memory.bytes, PhysAddr{0x6000}, information).ok());
    CHECK(information.command_line() == "ktest run=ls /");
    CHECK(information.module == PhysRange{{0x7f00000}, {0x7f02800}});
    CHECK(information.rsdp->size == 36);
    CHECK_FALSE(information.framebuffer);
    // Start information, map, two ranges, module list, module, command line.
    CHECK(information.memory.ranges().size() == 7);
    const MemoryMap map{information.memory.ranges()};
    CHECK(map.ranges()[1] == MemoryRange{{{0x6000}, {0x7000}}, MemoryType::boot_data});
}

TEST_CASE("pvh: malformed") {
    const auto error = [](std::uint64_t at, auto value) {
        Memory memory = pvh_memory();
        memory.put(at, value);
        BootInformation information;
        const auto result = parse_pvh(memory.bytes, PhysAddr{0x6000}, information);
        return result.ok() ? Error{} : result.error();
    };
    CHECK(error(0x6000, 0U) == Error::bad_format);
    CHECK(error(0x6004, 0U) == Error::unsupported); // without a memory map
    CHECK(error(0x6030, 0U) == Error::unsupported); // an empty one
    CHECK(error(0x6030, 0xffff'ffffU) == Error::bad_format);
    CHECK(error(0x6028, 0x11ffffULL) == Error::bad_format); // a map that leaves the memory
    CHECK(error(0x6028, ~0ULL) == Error::bad_format);
    CHECK(error(0x600c, 2000U) == Error::bad_format);
    CHECK(error(0x6010, ~0ULL) == Error::bad_format);
    CHECK(error(0x6018, ~0ULL) == Error::bad_format);
    CHECK(error(0x6208, ~0ULL) == Error::bad_format); // a module that wraps
    CHECK(error(0x6200, ~0ULL) == Error::bad_format);
    CHECK(error(0x6020, ~0ULL) == Error{}); // a root pointer in nowhere: none
    CHECK(error(0x6018, 0ULL) == Error{});  // no command line
    BootInformation information;
    CHECK_FALSE(parse_pvh(Memory{}.bytes, PhysAddr{~0ULL}, information).ok());
}

TEST_CASE("pvh: a command line without an end, and one that is too long") {
    Memory memory = pvh_memory();
    memory.put<std::uint64_t>(0x6018, 0x11ff00);
    std::fill(memory.bytes.begin() + 0x11ff00, memory.bytes.end(), std::byte{'a'});
    BootInformation information;
    REQUIRE(parse_pvh(memory.bytes, PhysAddr{0x6000}, information).ok());
    CHECK(information.command_line() == std::string(0x100, 'a'));
    memory.put<std::uint64_t>(0x6018, 0x10000);
    std::fill(memory.bytes.begin() + 0x10000, memory.bytes.begin() + 0x11000, std::byte{'b'});
    BootInformation longer;
    REQUIRE(parse_pvh(memory.bytes, PhysAddr{0x6000}, longer).ok());
    CHECK(longer.command_line() == std::string(longer.command_line_bytes.size(), 'b'));
}
