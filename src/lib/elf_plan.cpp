// SPDX-License-Identifier: MIT
// The loader: segments of the file, stack and guard, argument block.
#include "lib/elf_plan.hpp"

#include "lib/address.hpp"

#include <algorithm>

namespace lib {
namespace {

/// The lowest address that a process may map: see vm::user_range.
constexpr std::uint64_t lowest_address = 0x1'0000;
/// What one entry maps, a level above pages.
constexpr std::uint64_t large_entry = 2 << 20;
/// The part of a stack that is given by the page.
constexpr std::uint64_t stack_near = program_stack_bytes % large_entry;
/// Distance kept between a program and a stack above it.
constexpr std::uint64_t stack_distance = 1 << 20;

std::uint64_t address_of(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

/// Bytes from the beginning of a segment's first page that can be mapped from the file's object:
/// whole pages of the file. Behind its bytes a segment that has more memory, or may be written,
/// reads zeros; elsewhere, what follows in the object.
std::uint64_t mapped_bytes(const ElfSegment& segment, const ProgramRequest& request) {
    const std::uint64_t before = segment.address % page_size;
    const bool aligned = request.object_offset % page_size == 0 && segment.file_offset >= before &&
                         (segment.file_offset - before) % page_size == 0;
    if (request.object == abi::no_handle || !aligned || segment.file_bytes == 0) return 0;
    const std::uint64_t end = before + segment.file_bytes;
    const bool zeros_behind = segment.write || segment.memory_bytes != segment.file_bytes;
    return zeros_behind ? align_down(end, page_size) : align_up(end, page_size);
}

/// The first `bytes` of what a segment is planned as, from its object; the rest stays in it.
abi::PlanSegment take_mapped(abi::PlanSegment& whole, std::uint64_t bytes,
                             const ElfSegment& segment, const ProgramRequest& request) {
    abi::PlanSegment mapped = whole;
    mapped.length = bytes;
    mapped.object = request.object;
    mapped.source = request.object_offset + segment.file_offset - whole.source_offset;
    mapped.bytes = 0;
    mapped.source_offset = 0;
    const std::uint64_t taken = std::min(bytes - whole.source_offset, whole.bytes);
    whole.address += bytes;
    whole.length -= bytes;
    whole.source = taken < whole.bytes ? whole.source + taken : 0;
    whole.bytes -= taken;
    whole.source_offset = 0;
    return mapped;
}

abi::PlanSegment plan_of(const ElfSegment& segment, Bytes file, std::uint64_t base) {
    const std::uint64_t first = base + segment.address;
    const std::uint64_t start = align_down(first, page_size);
    const std::uint32_t access = (segment.read ? abi::access_read : 0U) |
                                 (segment.write ? abi::access_write : 0U) |
                                 (segment.execute ? abi::access_execute : 0U);
    return {.address = start,
            .length = align_up(first + segment.memory_bytes, page_size) - start,
            .source = segment.file_bytes != 0 ? address_of(file.data()) + segment.file_offset : 0,
            .bytes = segment.file_bytes,
            .source_offset = static_cast<std::uint32_t>(first - start),
            .access = access,
            .flags = 0,
            .reserved = 0};
}

/// Neighbours in one page become one segment when the file holds them as one piece.
bool merge(ElfSegment& before, const ElfSegment& after) {
    const bool one_piece = before.file_bytes == before.memory_bytes && after.file_bytes != 0 &&
                           after.address - before.address == after.file_offset - before.file_offset;
    if (!one_piece) return false;
    before.file_bytes = after.address - before.address + after.file_bytes;
    before.memory_bytes = after.address - before.address + after.memory_bytes;
    return true;
}

bool share_a_page(const ElfSegment& before, const ElfSegment& after) {
    return align_down(after.address, page_size) < align_up(before.end(), page_size);
}

/// Plans a segment as one or two, of which `more` others, and stack and guard, follow.
void add_segment(const ElfSegment& segment, const ProgramRequest& request, std::uint64_t base,
                 std::size_t more, ProgramPlan& out, std::size_t& count) {
    abi::PlanSegment rest = plan_of(segment, request.file, base);
    const std::uint64_t mapped = mapped_bytes(segment, request);
    if (mapped != 0 && count + 2 + more + 2 <= ProgramPlan::segment_limit)
        out.segments[count++] = take_mapped(rest, mapped, segment, request);
    if (rest.length != 0) out.segments[count++] = rest;
}

/// Gives the number of plan segments, or 0 with `out.reason` set.
std::size_t add_segments(const ElfImage& image, const ProgramRequest& request, std::uint64_t base,
                         ProgramPlan& out) {
    std::size_t count = 0;
    std::size_t more = image.segments().size();
    ElfSegment pending = image.segments()[0];
    for (const ElfSegment& segment : image.segments().subspan(1)) {
        --more;
        if (!share_a_page(pending, segment)) {
            add_segment(pending, request, base, more, out, count);
            pending = segment;
        } else if (!merge(pending, segment)) {
            out.reason = ElfError::overlapping_segments;
            return 0;
        }
    }
    add_segment(pending, request, base, 0, out, count);
    return count;
}

/// Where the stack begins: below the program if there is room for it, its guard and the clock page
/// behind it, else above.
/// Its end stands a little above a boundary of the entries one level up, so that all below the
/// boundary is few entries.
Result<std::uint64_t> place_stack(std::uint64_t start, std::uint64_t end, std::uint64_t bytes) {
    const std::uint64_t needed = bytes + program_guard_bytes;
    const std::uint64_t above = needed + page_size;
    if (start >= stack_near + page_size) {
        const std::uint64_t stack_end =
            align_down(start - stack_near - page_size, large_entry) + stack_near;
        if (stack_end >= lowest_address + needed) return stack_end - bytes;
    }
    const std::uint64_t guard = align_up(end + stack_distance, large_entry);
    if (guard > elf_user_end || elf_user_end - guard < above) return Error::no_space;
    return guard + program_guard_bytes;
}

/// Writes the block for a stack that ends at `stack_end`; gives its size.
Result<std::size_t> write_arguments(std::span<const std::string_view> words,
                                    std::uint64_t stack_end, std::span<std::byte> block) {
    const std::size_t addresses = (words.size() + 2) * sizeof(std::uint64_t);
    std::size_t size = addresses;
    for (const std::string_view word : words) {
        if (word.size() >= block.size()) return Error::too_large;
        size += word.size() + 1;
        if (size > block.size()) return Error::too_large;
    }
    size = align_up(size, 16);
    if (size > block.size()) return Error::too_large;

    std::ranges::fill(block.first(size), std::byte{0});
    const std::uint64_t start = stack_end - size;
    const auto put = [&](std::size_t index, std::uint64_t value) {
        __builtin_memcpy(&block[index * sizeof value], &value, sizeof value);
    };
    put(0, words.size());
    std::size_t at = addresses;
    for (std::size_t i = 0; i < words.size(); ++i) {
        put(i + 1, start + at);
        std::ranges::copy(std::as_bytes(std::span(words[i])),
                          block.begin() + static_cast<std::ptrdiff_t>(at));
        at += words[i].size() + 1;
    }
    return size;
}

} // namespace

Result<void> plan_program(const ProgramRequest& request, ProgramPlan& out) {
    if (request.stack_bytes == 0 || request.stack_bytes % page_size != 0 ||
        request.stack_bytes < argument_block_limit || request.stack_bytes > UINT32_MAX)
        return Error::invalid_argument;
    if (request.handles.size() > abi::plan_handle_limit) return Error::limit_reached;

    ElfImage image;
    out.reason = read_elf(request.file, image);
    if (out.reason != ElfError::none) return error_of(out.reason);
    const std::uint64_t base =
        image.position_independent ? align_up(program_base, image.alignment) : 0;
    if (base > elf_user_end || image.span_end > elf_user_end - base) return Error::no_space;
    std::size_t count = add_segments(image, request, base, out);
    if (count == 0) return error_of(out.reason);

    const std::uint64_t stack =
        TRY(place_stack(base + image.span_start, base + image.span_end, request.stack_bytes));
    const std::uint64_t stack_end = stack + request.stack_bytes;
    const std::size_t block =
        TRY(write_arguments(request.arguments, stack_end, out.argument_block));
    out.segments[count++] = {.address = stack,
                             .length = request.stack_bytes,
                             .source = address_of(out.argument_block.data()),
                             .bytes = block,
                             .source_offset =
                                 static_cast<std::uint32_t>(request.stack_bytes - block),
                             .access = abi::access_read | abi::access_write,
                             .flags = 0,
                             .reserved = 0};
    out.segments[count++] = {.address = stack - program_guard_bytes,
                             .length = program_guard_bytes,
                             .source = 0,
                             .bytes = 0,
                             .source_offset = 0,
                             .access = abi::access_none,
                             .flags = abi::map_guard,
                             .reserved = 0};

    out.plan = {.name = {},
                .segments = address_of(out.segments.data()),
                .segment_count = count,
                .handles = address_of(request.handles.data()),
                .handle_count = request.handles.size(),
                .entry = base + image.entry,
                .stack = stack_end - block,
                .arguments = {stack_end - block, stack_end},
                .priority = request.priority,
                .flags = 0,
                .clock_page = stack_end};
    std::ranges::copy(request.name.substr(0, abi::name_limit - 1), out.plan.name);
    return {};
}

} // namespace lib
