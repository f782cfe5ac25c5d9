// SPDX-License-Identifier: MIT
// The loader: segments, stack, guard and argument block of a plan; what it refuses.
#include "lib/elf_plan.hpp"

#include "lib/address.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

namespace {

/// An ELF file with as many segments as a test adds.
struct Program {
    std::vector<std::byte> bytes = std::vector<std::byte>(0x4000);
    std::uint16_t count = 0;

    template <typename T>
    void set(std::size_t offset, T value) {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    Program(std::uint16_t type, std::uint64_t entry) {
        std::memcpy(bytes.data(),
                    "\x7f"
                    "ELF\2\1\1",
                    7);
        set(16, type);
        set(18, std::uint16_t{62});
        set(20, std::uint32_t{1});
        set(24, entry);
        set(32, std::uint64_t{64});
        set(52, std::uint16_t{64});
        set(54, std::uint16_t{56});
    }
    void segment(std::uint32_t flags, std::uint64_t offset, std::uint64_t address,
                 std::uint64_t file_bytes, std::uint64_t memory_bytes) {
        const std::size_t at = 64 + count * 56U;
        set(at, std::uint32_t{1});
        set(at + 4, flags);
        set(at + 8, offset);
        set(at + 16, address);
        set(at + 32, file_bytes);
        set(at + 40, memory_bytes);
        set(at + 48, std::uint64_t{0x1000});
        set(56, ++count);
    }
    std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(bytes.data()); }
};

Program usual(std::uint16_t type, std::uint64_t base) {
    Program program(type, base + 0x1010);
    program.segment(4, 0, base, 0x200, 0x200);
    program.segment(5, 0x1000, base + 0x1000, 0x800, 0x800);
    program.segment(6, 0x2100, base + 0x3100, 0x300, 0x5000);
    return program;
}

std::uint64_t word(const lib::ProgramPlan& out, std::size_t index) {
    std::uint64_t value = 0;
    std::memcpy(&value, &out.argument_block[index * 8], 8);
    return value;
}

/// The text at an address of the new process's argument block.
std::string text_at(const lib::ProgramPlan& out, std::uint64_t address) {
    return reinterpret_cast<const char*>(&out.argument_block[address - out.plan.arguments[0]]);
}

} // namespace

TEST_CASE("plan of a position-independent program") {
    const Program program = usual(3, 0);
    const std::string_view words[] = {"prog", "", "two words"};
    const abi::Handle handles[] = {7, 9};
    lib::ProgramPlan out;
    REQUIRE(lib::plan_program(
        {.name = "prog", .file = program.bytes, .arguments = words, .handles = handles}, out));

    REQUIRE(out.plan.segment_count == 5);
    CHECK(out.plan.segments == reinterpret_cast<std::uintptr_t>(out.segments.data()));
    const auto& text = out.segments[1];
    CHECK(text.address == lib::program_base + 0x1000);
    CHECK(text.length == 0x1000);
    CHECK(text.source == program.address() + 0x1000);
    CHECK(text.bytes == 0x800);
    CHECK(text.access == (abi::access_read | abi::access_execute));
    const auto& data = out.segments[2];
    CHECK(data.address == lib::program_base + 0x3000);
    CHECK(data.length == 0x6000);
    CHECK(data.source == program.address() + 0x2100);
    CHECK(data.source_offset == 0x100);
    CHECK(data.bytes == 0x300);
    CHECK(data.access == (abi::access_read | abi::access_write));

    const auto& stack = out.segments[3];
    CHECK(out.plan.clock_page == stack.address + stack.length);
    CHECK(out.plan.clock_page + page_size == lib::program_base);
    CHECK(out.plan.arguments[1] == out.plan.clock_page);
    CHECK(stack.source_offset + stack.bytes == stack.length);
    const auto& guard = out.segments[4];
    CHECK(guard.flags == abi::map_guard);
    CHECK(guard.address + guard.length == stack.address);

    CHECK(out.plan.entry == lib::program_base + 0x1010);
    CHECK(out.plan.stack == out.plan.arguments[0]);
    CHECK(out.plan.stack == stack.address + stack.source_offset);
    CHECK(out.plan.stack % 16 == 0);
    CHECK(out.plan.handle_count == 2);
    CHECK(out.plan.handles == reinterpret_cast<std::uintptr_t>(handles));
    CHECK(std::string_view(out.plan.name) == "prog");

    REQUIRE(word(out, 0) == 3);
    CHECK(text_at(out, word(out, 1)) == "prog");
    CHECK(text_at(out, word(out, 2)).empty());
    CHECK(text_at(out, word(out, 3)) == "two words");
    CHECK(word(out, 4) == 0);
}

TEST_CASE("plan of a program with fixed addresses") {
    lib::ProgramPlan out;
    const Program program = usual(2, 0x1000000);
    REQUIRE(lib::plan_program({.name = "p", .file = program.bytes}, out));
    CHECK(out.segments[0].address == 0x1000000);
    CHECK(out.segments[3].address + out.segments[3].length == 0xe10000);
    CHECK(out.plan.clock_page == 0xe10000);
    CHECK(word(out, 0) == 0);

    // Where the clock page would meet the program, all of it stands lower.
    const Program close = usual(2, 0x1010000);
    REQUIRE(lib::plan_program({.name = "p", .file = close.bytes}, out));
    CHECK(out.plan.clock_page == 0xe10000);
    const Program next = usual(2, 0x1011000);
    REQUIRE(lib::plan_program({.name = "p", .file = next.bytes}, out));
    CHECK(out.plan.clock_page == 0x1010000);

    // No room below: the stack stands above the program.
    const Program low = usual(2, 0x20000);
    REQUIRE(lib::plan_program({.name = "p", .file = low.bytes}, out));
    CHECK(out.segments[4].address == 0x200000);
    CHECK(out.segments[3].address == out.segments[4].address + out.segments[4].length);
}

TEST_CASE("plan of a program whose file lies in a memory object") {
    Program program(3, 0x1010);
    program.segment(4, 0, 0, 0x200, 0x200);
    program.segment(5, 0x1000, 0x1000, 0x800, 0x800);
    program.segment(6, 0x2100, 0x3100, 0x1200, 0x5000);
    lib::ProgramPlan out;
    const auto plan = [&](std::uint64_t offset) {
        REQUIRE(lib::plan_program(
            {.name = "p", .file = program.bytes, .object = 77, .object_offset = offset}, out));
    };
    SUBCASE("on a page boundary") {
        plan(0x6000);
        REQUIRE(out.plan.segment_count == 6);
        const auto& text = out.segments[1];
        CHECK(text.address == lib::program_base + 0x1000);
        CHECK(text.length == 0x1000);
        CHECK(text.object == 77);
        CHECK(text.source == 0x7000);
        CHECK(text.bytes == 0);
        CHECK(text.access == (abi::access_read | abi::access_execute));
        // Of what is written whole pages of the file; the rest is copied, with zeros behind it.
        const auto& data = out.segments[2];
        CHECK(data.address == lib::program_base + 0x3000);
        CHECK(data.length == 0x1000);
        CHECK(data.object == 77);
        CHECK(data.source == 0x8000);
        CHECK(data.source_offset == 0);
        CHECK(data.access == (abi::access_read | abi::access_write));
        const auto& rest = out.segments[3];
        CHECK(rest.address == lib::program_base + 0x4000);
        CHECK(rest.length == 0x5000);
        CHECK(rest.object == abi::no_handle);
        CHECK(rest.source == program.address() + 0x3000);
        CHECK(rest.bytes == 0x300);
        CHECK(rest.source_offset == 0);
        CHECK(out.segments[4].object == abi::no_handle); // the stack
    }
    SUBCASE("elsewhere all is copied") {
        plan(0x6200);
        REQUIRE(out.plan.segment_count == 5);
        for (const auto& segment : std::span(out.segments).first(5))
            CHECK(segment.object == abi::no_handle);
        CHECK(out.segments[2].bytes == 0x1200);
        CHECK(out.segments[2].source_offset == 0x100);
    }
}

TEST_CASE("read-only memory beyond the file's bytes is zeros, not what follows in the file") {
    Program program(3, 0x10);
    program.segment(5, 0, 0, 0x1300, 0x2800);
    lib::ProgramPlan out;
    REQUIRE(lib::plan_program(
        {.name = "p", .file = program.bytes, .object = 77, .object_offset = 0}, out));
    REQUIRE(out.plan.segment_count == 4);
    CHECK(out.segments[0].object == 77);
    CHECK(out.segments[0].length == 0x1000);
    CHECK(out.segments[1].object == abi::no_handle);
    CHECK(out.segments[1].length == 0x2000);
    CHECK(out.segments[1].bytes == 0x300);
}

TEST_CASE("a plan has room for all segments of a program in an object") {
    Program program(3, 0x10);
    for (std::uint16_t n = 0; n < lib::ElfImage::max_segments; ++n)
        program.segment(n == 0 ? 5 : 6, 0x1000, n * 0x10000U, 0x1800, 0x3000);
    lib::ProgramPlan out;
    REQUIRE(lib::plan_program(
        {.name = "p", .file = program.bytes, .object = 77, .object_offset = 0x1000}, out));
    CHECK(out.plan.segment_count <= abi::plan_segment_limit);
    std::uint64_t covered = 0;
    for (const auto& segment : std::span(out.segments).first(out.plan.segment_count - 2))
        covered += segment.length;
    CHECK(covered == lib::ElfImage::max_segments * 0x3000);
}

TEST_CASE("plan of segments that share a page") {
    lib::ProgramPlan out;
    Program joined(2, 0x400010);
    joined.segment(5, 0, 0x400000, 0x200, 0x200);
    joined.segment(5, 0x300, 0x400300, 0x1100, 0x1200);
    REQUIRE(lib::plan_program({.name = "p", .file = joined.bytes}, out));
    REQUIRE(out.plan.segment_count == 3);
    CHECK(out.segments[0].bytes == 0x1400);
    CHECK(out.segments[0].length == 0x2000);

    Program apart(2, 0x400010);
    apart.segment(5, 0, 0x400000, 0x200, 0x200);
    apart.segment(5, 0x1300, 0x400300, 0x100, 0x100);
    const auto result = lib::plan_program({.name = "p", .file = apart.bytes}, out);
    REQUIRE_FALSE(result);
    CHECK(result.error() == Error::bad_format);
    CHECK(out.reason == lib::ElfError::overlapping_segments);
}

TEST_CASE("what the loader refuses") {
    const Program program = usual(3, 0);
    lib::ProgramPlan out;
    const auto error = [&](const lib::ProgramRequest& request) {
        const auto result = lib::plan_program(request, out);
        return result ? Error{} : result.error();
    };
    CHECK(error({.name = "p", .file = lib::Bytes(program.bytes).first(10)}) == Error::bad_format);
    CHECK(out.reason == lib::ElfError::truncated_header);
    const std::string long_word(5000, 'x');
    const std::string_view too_long[] = {long_word};
    CHECK(error({.name = "p", .file = program.bytes, .arguments = too_long}) == Error::too_large);
    const std::vector<std::string_view> many(600, "word");
    CHECK(error({.name = "p", .file = program.bytes, .arguments = many}) == Error::too_large);
    const std::vector<abi::Handle> handles(abi::plan_handle_limit + 1);
    CHECK(error({.name = "p", .file = program.bytes, .handles = handles}) == Error::limit_reached);
    CHECK(error({.name = "p", .file = program.bytes, .stack_bytes = 0}) == Error::invalid_argument);
    CHECK(error({.name = "p", .file = program.bytes, .stack_bytes = 5000}) ==
          Error::invalid_argument);
    const std::string name(100, 'n');
    REQUIRE(lib::plan_program({.name = name, .file = program.bytes}, out));
    CHECK(std::strlen(out.plan.name) == abi::name_limit - 1);
}
