// SPDX-License-Identifier: MIT
// The ELF reader: a good program of each kind, and one broken file per reason to refuse it.
#include "lib/elf.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

using lib::ElfError;
using lib::ElfImage;

namespace {

/// Text at one page, data and zeros at the next but one; every field may be overwritten.
struct File {
    std::vector<std::byte> bytes = std::vector<std::byte>(0x3000);

    template <typename T>
    void set(std::size_t offset, T value) {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    void segment(unsigned index, std::uint32_t type, std::uint32_t flags, std::uint64_t offset,
                 std::uint64_t address, std::uint64_t file_bytes, std::uint64_t memory_bytes) {
        const std::size_t at = 64 + index * 56U;
        set(at, type);
        set(at + 4, flags);
        set(at + 8, offset);
        set(at + 16, address);
        set(at + 32, file_bytes);
        set(at + 40, memory_bytes);
        set(at + 48, std::uint64_t{0x1000});
    }
    File(std::uint64_t base, std::uint16_t type) {
        std::memcpy(bytes.data(),
                    "\x7f"
                    "ELF\2\1\1",
                    7);
        set(16, type);
        set(18, std::uint16_t{62});
        set(20, std::uint32_t{1});
        set(24, base + 0x1010);
        set(32, std::uint64_t{64});
        set(52, std::uint16_t{64});
        set(54, std::uint16_t{56});
        set(56, std::uint16_t{3});
        segment(0, 1, 4, 0, base, 0x200, 0x200);
        segment(1, 1, 5, 0x1000, base + 0x1000, 0x800, 0x800);
        segment(2, 1, 6, 0x2100, base + 0x3100, 0x300, 0x5000);
    }
    ElfError read(ElfImage& image) const { return lib::read_elf(bytes, image); }
    ElfError read() const {
        ElfImage image;
        return read(image);
    }
};

File fixed() { return {0x400000, 2}; }
File pie() { return {0, 3}; }

constexpr std::size_t second = 64 + 56; // the text segment's header
constexpr std::size_t third = 64 + 2 * 56;

template <typename T>
ElfError with(std::size_t offset, T value) {
    File file = fixed();
    file.set(offset, value);
    return file.read();
}

} // namespace

TEST_CASE("a fixed program") {
    ElfImage image;
    REQUIRE(fixed().read(image) == ElfError::none);
    CHECK_FALSE(image.position_independent);
    CHECK(image.entry == 0x401010);
    CHECK(image.span_start == 0x400000);
    CHECK(image.span_end == 0x409000);
    CHECK(image.alignment == 0x1000);
    CHECK(image.program_headers == 0x400040);
    CHECK(image.program_header_count == 3);
    REQUIRE(image.segments().size() == 3);
    const auto& data = image.segments()[2];
    CHECK(data.file_offset == 0x2100);
    CHECK(data.address == 0x403100);
    CHECK(data.file_bytes == 0x300);
    CHECK(data.memory_bytes == 0x5000);
    CHECK((data.read && data.write && !data.execute));
    CHECK((image.segments()[1].execute && !image.segments()[1].write));
}

TEST_CASE("a position-independent program may begin at 0; a large alignment is reported") {
    File file = pie();
    file.set(second + 48, std::uint64_t{0x200000});
    ElfImage image;
    REQUIRE(file.read(image) == ElfError::none);
    CHECK(image.position_independent);
    CHECK(image.span_start == 0);
    CHECK(image.alignment == 0x200000);
}

TEST_CASE("wrong headers") {
    CHECK(with(0, 'x') == ElfError::bad_magic);
    CHECK(with(3, 'f') == ElfError::bad_magic);
    CHECK(with(4, '\1') == ElfError::not_64_bit);
    CHECK(with(5, '\2') == ElfError::not_little_endian);
    CHECK(with(6, '\0') == ElfError::bad_version);
    CHECK(with(20, std::uint32_t{2}) == ElfError::bad_version);
    CHECK(with(18, std::uint16_t{3}) == ElfError::wrong_machine);
    CHECK(with(16, std::uint16_t{1}) == ElfError::not_executable);
    CHECK(with(16, std::uint16_t{4}) == ElfError::not_executable);
    CHECK(with(52, std::uint16_t{63}) == ElfError::bad_header_size);
    CHECK(with(54, std::uint16_t{32}) == ElfError::bad_header_size);
    CHECK(with(54, std::uint16_t{57}) == ElfError::bad_header_size);
    CHECK(with(56, std::uint16_t{0}) == ElfError::no_segments);
    CHECK(with(56, std::uint16_t{0xFFFF}) == ElfError::truncated_program_headers);
    CHECK(with(32, std::uint64_t{0x3000 - 100}) == ElfError::truncated_program_headers);
    CHECK(with(32, ~std::uint64_t{0}) == ElfError::truncated_program_headers);
}

TEST_CASE("wrong segments") {
    const std::uint64_t huge = ~std::uint64_t{0};
    CHECK(with(second, std::uint32_t{3}) == ElfError::needs_interpreter);
    CHECK(with(second + 4, std::uint32_t{7}) == ElfError::writable_and_executable);
    CHECK(with(second + 40, std::uint64_t{0x7FF}) == ElfError::file_larger_than_memory);
    CHECK(with(second + 8, std::uint64_t{0x3000 - 0x7FF}) == ElfError::truncated_segment);
    CHECK(with(second + 8, huge) == ElfError::truncated_segment);
    CHECK(with(second + 48, std::uint64_t{3}) == ElfError::bad_alignment);
    CHECK(with(second + 8, std::uint64_t{0x1008}) == ElfError::misaligned_segment);
    CHECK(with(third + 40, huge) == ElfError::segment_overflow);
    CHECK(with(third + 40, std::uint64_t{1} << 47) == ElfError::outside_user_half);
    CHECK(with(third + 16, std::uint64_t{0xFFFF800000000100}) == ElfError::outside_user_half);
    CHECK(with(64 + 16, std::uint64_t{0}) == ElfError::outside_user_half);
    CHECK(with(third + 16, std::uint64_t{0x3FF100}) == ElfError::segments_out_of_order);
    CHECK(with(64 + 40, std::uint64_t{0x1001}) == ElfError::overlapping_segments);
    CHECK(with(24, std::uint64_t{0x400010}) == ElfError::entry_not_executable);
    CHECK(with(24, std::uint64_t{0x401800}) == ElfError::entry_not_executable);
    CHECK(with(24, huge) == ElfError::entry_not_executable);
}

TEST_CASE("the last usable byte of the user half") {
    File file = fixed();
    file.segment(2, 1, 6, 0, lib::elf_user_end - 0x1000, 0, 0x1000);
    CHECK(file.read() == ElfError::none);
    file.segment(2, 1, 6, 0, lib::elf_user_end - 0x1000, 0, 0x1001);
    CHECK(file.read() == ElfError::outside_user_half);
}

TEST_CASE("two segments in one page: only with equal access") {
    File file = fixed();
    file.segment(2, 1, 4, 0x1800, 0x401800, 0x10, 0x10);
    CHECK(file.read() == ElfError::overlapping_segments);
    file.segment(2, 1, 5, 0x1800, 0x401800, 0x10, 0x10);
    CHECK(file.read() == ElfError::none);
}

TEST_CASE("stack, empty segments and their number") {
    File file = fixed();
    file.segment(2, 0x6474E551, 6, 0, 0, 0, 0);
    CHECK(file.read() == ElfError::none);
    file.segment(2, 0x6474E551, 7, 0, 0, 0, 0);
    CHECK(file.read() == ElfError::executable_stack);

    file = fixed();
    for (unsigned i = 0; i < 3; ++i) file.segment(i, 1, 5, 0x1000, 0x401000, 0, 0);
    CHECK(file.read() == ElfError::no_segments);

    file = fixed();
    for (unsigned i = 0; i < 17; ++i) {
        file.segment(i, 1, 5, 0x2000, 0x400000 + 0x1000 * i, 0x10, 0x20);
    }
    file.set(56, std::uint16_t{16});
    CHECK(file.read() == ElfError::none);
    file.set(56, std::uint16_t{17});
    CHECK(file.read() == ElfError::too_many_segments);
}

TEST_CASE("a file cut anywhere is refused, or still has all its segments") {
    const File file = fixed();
    for (std::size_t size = 0; size < 0x2400; ++size) {
        // A copy of exactly that size: the sanitizer sees a read beyond it.
        const std::vector<std::byte> cut(file.bytes.begin(),
                                         file.bytes.begin() + static_cast<std::ptrdiff_t>(size));
        ElfImage image;
        REQUIRE(lib::read_elf(cut, image) != ElfError::none);
    }
}

TEST_CASE("each byte of the headers, each value: an answer, never a crash") {
    const File file = fixed();
    std::size_t accepted = 0;
    for (std::size_t at = 0; at < 64 + 3 * 56; ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            File broken = file;
            broken.bytes[at] = static_cast<std::byte>(value);
            ElfImage image;
            if (broken.read(image) != ElfError::none) continue;
            ++accepted;
            for (const auto& segment : image.segments()) {
                REQUIRE(segment.end() <= lib::elf_user_end);
                REQUIRE(segment.file_offset + segment.file_bytes <= broken.bytes.size());
                REQUIRE_FALSE((segment.write && segment.execute));
            }
        }
    }
    CHECK(accepted > 0);
}

TEST_CASE("a program from this host's linker: dynamic, so refused for that alone") {
    std::ifstream self("/proc/self/exe", std::ios::binary);
    std::vector<char> content((std::istreambuf_iterator<char>(self)), {});
    ElfImage image;
    CHECK(lib::read_elf(std::as_bytes(std::span(content)), image) == ElfError::needs_interpreter);
}

TEST_CASE("every reason has words and an error") {
    for (unsigned i = 0; i <= static_cast<unsigned>(ElfError::entry_not_executable); ++i) {
        const auto error = static_cast<ElfError>(i);
        CHECK(std::string_view(lib::describe(error)) != "unknown ELF error");
    }
    CHECK(std::string_view(lib::describe(static_cast<ElfError>(200))) == "unknown ELF error");
    CHECK(lib::error_of(ElfError::too_many_segments) == Error::limit_reached);
    CHECK(lib::error_of(ElfError::needs_interpreter) == Error::unsupported);
    CHECK(lib::error_of(ElfError::bad_magic) == Error::bad_format);
}
