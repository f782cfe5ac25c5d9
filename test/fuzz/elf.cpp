// SPDX-License-Identifier: MIT
// The ELF reader and the loader: whatever the file, an image keeps its promises, and a plan maps
// nothing writable and executable, nothing outside the user half, nothing twice, and copies
// from nowhere but the file and the argument block.
#include "lib/elf_plan.hpp"

#include "fuzz/fuzz.hpp"
#include "lib/address.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

using lib::Bytes;
using lib::ElfImage;
using lib::ElfSegment;
using lib::ProgramPlan;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

void check_segment(const ElfSegment& segment, Bytes file, bool fixed) {
    PROMISE(segment.memory_bytes != 0);
    PROMISE(segment.file_bytes <= segment.memory_bytes);
    PROMISE(segment.file_offset <= file.size());
    PROMISE(segment.file_bytes <= file.size() - segment.file_offset);
    PROMISE(!(segment.write && segment.execute));
    PROMISE(segment.read || !segment.write);
    PROMISE(segment.end() > segment.address);
    PROMISE(segment.end() <= lib::elf_user_end);
    PROMISE(!fixed || segment.address >= page_size);
    PROMISE(segment.file_bytes == 0 || (segment.file_offset - segment.address) % page_size == 0);
}

void check_image(const ElfImage& image, Bytes file) {
    const auto segments = image.segments();
    PROMISE(!segments.empty());
    PROMISE(segments.size() <= ElfImage::max_segments);
    PROMISE(std::has_single_bit(image.alignment) && image.alignment >= page_size);
    PROMISE(image.span_start % page_size == 0 && image.span_end % page_size == 0);
    bool entry_found = false;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const ElfSegment& segment = segments[i];
        check_segment(segment, file, !image.position_independent);
        PROMISE(image.span_start <= segment.address && segment.end() <= image.span_end);
        entry_found |= segment.execute && image.entry - segment.address < segment.memory_bytes;
        if (i == 0) continue;
        const ElfSegment& before = segments[i - 1];
        PROMISE(before.end() <= segment.address);
        if ((before.end() - 1) / page_size == segment.address / page_size) {
            PROMISE(before.write == segment.write && before.execute == segment.execute);
        }
    }
    PROMISE(entry_found);
}

/// The program headers stand in memory where the image says.
void check_headers(const ElfImage& image, Bytes file) {
    if (image.program_headers == 0) return;
    const std::uint64_t bytes = image.program_header_count * std::uint64_t{56};
    std::uint64_t offset = 0;
    std::memcpy(&offset, &file[32], sizeof offset);
    const bool held = std::ranges::any_of(image.segments(), [&](const ElfSegment& segment) {
        const std::uint64_t start = image.program_headers - segment.address;
        return start < segment.file_bytes && bytes <= segment.file_bytes - start &&
               segment.file_offset + start == offset;
    });
    PROMISE(held);
}

/// Whether [start, start + bytes) lies in the memory at `whole`.
bool inside(std::uint64_t start, std::uint64_t bytes, const void* whole, std::size_t size) {
    const std::uint64_t offset = start - address_of(whole);
    return offset <= size && bytes <= size - offset;
}

void check_plan_segment(const abi::PlanSegment& segment, const ProgramPlan& plan, Bytes file) {
    PROMISE(segment.address % page_size == 0 && segment.length % page_size == 0);
    PROMISE(segment.length != 0);
    PROMISE(segment.address < lib::elf_user_end);
    PROMISE(segment.length <= lib::elf_user_end - segment.address);
    PROMISE((segment.access & ~std::uint32_t{7}) == 0);
    constexpr std::uint32_t both = abi::access_write | abi::access_execute;
    PROMISE((segment.access & both) != both);
    PROMISE(segment.source_offset <= segment.length);
    PROMISE(segment.bytes <= segment.length - segment.source_offset);
    PROMISE(segment.reserved == 0);
    if (segment.bytes == 0) return;
    PROMISE(inside(segment.source, segment.bytes, file.data(), file.size()) ||
            inside(segment.source, segment.bytes, plan.argument_block.data(),
                   plan.argument_block.size()));
}

/// The byte a plan puts at an address; null for a zero. The address must be mapped.
const std::byte* byte_at(std::span<const abi::PlanSegment> segments, std::uint64_t address) {
    const auto found = std::ranges::find_if(segments, [&](const abi::PlanSegment& segment) {
        return address - segment.address < segment.length;
    });
    PROMISE(found != segments.end());
    const std::uint64_t offset = address - found->address - found->source_offset;
    if (offset >= found->bytes) return nullptr;
    return reinterpret_cast<const std::byte*>(found->source + offset);
}

/// At both ends of each segment's bytes and zeros, memory is what the file says.
void check_content(const ElfImage& image, std::span<const abi::PlanSegment> segments, Bytes file,
                   std::uint64_t base) {
    for (const ElfSegment& segment : image.segments()) {
        for (const std::uint64_t offset : {std::uint64_t{0}, segment.file_bytes - 1,
                                           segment.file_bytes, segment.memory_bytes - 1}) {
            if (offset >= segment.memory_bytes) continue;
            const std::byte* byte = byte_at(segments, base + segment.address + offset);
            if (offset < segment.file_bytes) {
                PROMISE(byte == file.data() + segment.file_offset + offset);
            } else {
                PROMISE(byte == nullptr);
            }
        }
    }
}

void check_arguments(const ProgramPlan& plan, std::span<const std::string_view> words) {
    const auto read = [&](std::size_t index) {
        std::uint64_t value = 0;
        std::memcpy(&value, &plan.argument_block[index * sizeof value], sizeof value);
        return value;
    };
    PROMISE(read(0) == words.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::uint64_t at = read(i + 1) - plan.plan.arguments[0];
        PROMISE(at < plan.argument_block.size());
        PROMISE(words[i].size() < plan.argument_block.size() - at);
        PROMISE(std::memcmp(&plan.argument_block[at], words[i].data(), words[i].size()) == 0);
        PROMISE(plan.argument_block[at + words[i].size()] == std::byte{0});
    }
    PROMISE(read(words.size() + 1) == 0);
}

void check_plan(const ProgramPlan& out, const ElfImage& image, const lib::ProgramRequest& request) {
    PROMISE(out.plan.segment_count >= 3 && out.plan.segment_count <= ProgramPlan::segment_limit);
    PROMISE(out.plan.segments == address_of(out.segments.data()));
    const auto segments = std::span(out.segments).first(out.plan.segment_count);
    for (const abi::PlanSegment& segment : segments) {
        check_plan_segment(segment, out, request.file);
    }
    std::vector<abi::PlanSegment> sorted(segments.begin(), segments.end());
    std::ranges::sort(sorted, {}, &abi::PlanSegment::address);
    for (std::size_t i = 1; i < sorted.size(); ++i) {
        PROMISE(sorted[i - 1].address + sorted[i - 1].length <= sorted[i].address);
    }
    const std::uint64_t base = out.plan.entry - image.entry;
    PROMISE(image.position_independent ? base % image.alignment == 0 : base == 0);
    const auto& stack = segments[segments.size() - 2];
    const auto& guard = segments[segments.size() - 1];
    PROMISE(stack.length == request.stack_bytes);
    PROMISE(stack.access == (abi::access_read | abi::access_write));
    PROMISE(out.plan.stack - stack.address < stack.length && out.plan.stack % 16 == 0);
    PROMISE(guard.flags == abi::map_guard && guard.access == abi::access_none);
    PROMISE(guard.address + guard.length == stack.address);
    PROMISE(std::memchr(out.plan.name, 0, sizeof out.plan.name) != nullptr);
    check_content(image, segments.first(segments.size() - 2), request.file, base);
    check_arguments(out, request.arguments);
}

/// Words and stack size vary with the file, so that one input stays one case.
lib::ProgramRequest request_for(Bytes file, std::vector<std::string_view>& words) {
    const std::string_view text = lib::as_text(file);
    const unsigned choice = file.empty() ? 0 : std::to_integer<unsigned>(file.back());
    for (unsigned i = 0; i < choice % 8; ++i) {
        words.push_back(text.substr(std::min<std::size_t>(i * 7, text.size()), i * choice % 97));
    }
    constexpr std::uint64_t stacks[] = {lib::program_stack_bytes, page_size, 1 << 20, 0xFFFF'F000};
    return {.name = text.substr(0, choice),
            .file = file,
            .arguments = words,
            .stack_bytes = stacks[choice / 8 % 4]};
}

void run(Bytes file) {
    ElfImage image;
    const lib::ElfError wrong = lib::read_elf(file, image);
    PROMISE(std::strcmp(lib::describe(wrong), "unknown ELF error") != 0);
    if (wrong == lib::ElfError::none) {
        check_image(image, file);
        check_headers(image, file);
    }
    const auto out = std::make_unique<ProgramPlan>();
    std::vector<std::string_view> words;
    const lib::ProgramRequest request = request_for(file, words);
    const auto planned = lib::plan_program(request, *out);
    if (planned.ok()) {
        PROMISE(wrong == lib::ElfError::none);
        check_plan(*out, image, request);
    } else if (wrong != lib::ElfError::none) {
        PROMISE(out->reason == wrong && planned.error() == lib::error_of(wrong));
    }
}

} // namespace

/// The ELF header and six program headers.
const fuzz::Target fuzz::elf{run, nullptr, 64 + 6 * 56};
