// SPDX-License-Identifier: MIT
// Reads ELF64 executables: header, then each program header, then the image as a whole.
#include "lib/elf.hpp"

#include "lib/address.hpp"

#include <algorithm>

namespace lib {
namespace {

struct FileHeader { // Elf64_Ehdr
    std::array<unsigned char, 16> identification;
    std::uint16_t type;
    std::uint16_t machine;
    std::uint32_t version;
    std::uint64_t entry;
    std::uint64_t program_headers;
    std::uint64_t section_headers;
    std::uint32_t flags;
    std::uint16_t header_size;
    std::uint16_t program_header_size;
    std::uint16_t program_header_count;
    std::uint16_t section_header_size;
    std::uint16_t section_header_count;
    std::uint16_t section_names;
};
static_assert(sizeof(FileHeader) == 64);

struct ProgramHeader { // Elf64_Phdr
    std::uint32_t type;
    std::uint32_t flags;
    std::uint64_t offset;
    std::uint64_t address;
    std::uint64_t physical_address;
    std::uint64_t file_bytes;
    std::uint64_t memory_bytes;
    std::uint64_t alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr std::uint16_t type_executable = 2;
constexpr std::uint16_t type_shared = 3;
constexpr std::uint16_t machine_x86_64 = 62;
constexpr std::uint32_t segment_load = 1;
constexpr std::uint32_t segment_interpreter = 3;
constexpr std::uint32_t segment_gnu_stack = 0x6474'E551;
constexpr std::uint32_t flag_execute = 1;
constexpr std::uint32_t flag_write = 2;
constexpr std::uint32_t flag_read = 4;

ElfError check_header(const FileHeader& header) {
    const auto& id = header.identification;
    if (id[0] != 0x7F || id[1] != 'E' || id[2] != 'L' || id[3] != 'F') return ElfError::bad_magic;
    if (id[4] != 2) return ElfError::not_64_bit;
    if (id[5] != 1) return ElfError::not_little_endian;
    if (id[6] != 1 || header.version != 1) return ElfError::bad_version;
    if (header.machine != machine_x86_64) return ElfError::wrong_machine;
    if (header.type != type_executable && header.type != type_shared) {
        return ElfError::not_executable;
    }
    if (header.header_size < sizeof(FileHeader)) return ElfError::bad_header_size;
    if (header.program_header_count == 0) return ElfError::no_segments;
    if (header.program_header_size != sizeof(ProgramHeader)) return ElfError::bad_header_size;
    return ElfError::none;
}

ElfError check_segment(const ProgramHeader& header, std::uint64_t file_size, bool fixed) {
    if (header.file_bytes > header.memory_bytes) return ElfError::file_larger_than_memory;
    if (header.offset > file_size || header.file_bytes > file_size - header.offset) {
        return ElfError::truncated_segment;
    }
    if ((header.alignment & (header.alignment - 1)) != 0) {
        return ElfError::bad_alignment;
    }
    if (header.file_bytes != 0 && header.offset % page_size != header.address % page_size) {
        return ElfError::misaligned_segment;
    }
    std::uint64_t end = 0;
    if (__builtin_add_overflow(header.address, header.memory_bytes, &end)) {
        return ElfError::segment_overflow;
    }
    if (end > elf_user_end || (fixed && header.address < page_size)) {
        return ElfError::outside_user_half;
    }
    if ((header.flags & flag_write) != 0 && (header.flags & flag_execute) != 0) {
        return ElfError::writable_and_executable;
    }
    return ElfError::none;
}

ElfError check_neighbours(const ElfSegment& before, const ElfSegment& after) {
    if (after.address < before.address) return ElfError::segments_out_of_order;
    if (after.address < before.end()) return ElfError::overlapping_segments;
    const bool same_access =
        before.read == after.read && before.write == after.write && before.execute == after.execute;
    const bool same_page = align_down(after.address, page_size) < align_up(before.end(), page_size);
    return same_page && !same_access ? ElfError::overlapping_segments : ElfError::none;
}

ElfError add_segment(const ProgramHeader& header, std::uint64_t file_size, ElfImage& image) {
    const ElfError wrong = check_segment(header, file_size, !image.position_independent);
    if (wrong != ElfError::none) return wrong;
    if (header.memory_bytes == 0) return ElfError::none;
    if (image.segment_count == ElfImage::max_segments) return ElfError::too_many_segments;

    ElfSegment& segment = image.storage[image.segment_count];
    segment = {.file_offset = header.offset,
               .file_bytes = header.file_bytes,
               .address = header.address,
               .memory_bytes = header.memory_bytes,
               .read = (header.flags & (flag_read | flag_write)) != 0, // x86: writable is readable
               .write = (header.flags & flag_write) != 0,
               .execute = (header.flags & flag_execute) != 0};
    if (image.segment_count != 0) {
        const ElfError clash = check_neighbours(image.storage[image.segment_count - 1], segment);
        if (clash != ElfError::none) return clash;
    }
    ++image.segment_count;
    image.alignment = std::max({image.alignment, header.alignment, page_size});
    return ElfError::none;
}

/// Where the program headers lie in memory, for the program's own start-up code.
std::uint64_t address_of_headers(const ElfImage& image, std::uint64_t offset, std::uint64_t bytes) {
    for (const ElfSegment& segment : image.segments()) {
        if (offset >= segment.file_offset && bytes <= segment.file_bytes &&
            offset - segment.file_offset <= segment.file_bytes - bytes) {
            return segment.address + (offset - segment.file_offset);
        }
    }
    return 0;
}

ElfError finish(const FileHeader& header, ElfImage& image) {
    if (image.segment_count == 0) return ElfError::no_segments;
    image.span_start = align_down(image.storage[0].address, page_size);
    image.span_end = align_up(image.storage[image.segment_count - 1].end(), page_size);
    image.entry = header.entry;
    image.program_header_count = header.program_header_count;
    image.program_headers =
        address_of_headers(image, header.program_headers,
                           header.program_header_count * std::uint64_t{sizeof(ProgramHeader)});
    const bool executable = std::ranges::any_of(image.segments(), [&](const ElfSegment& segment) {
        return segment.execute && header.entry >= segment.address && header.entry < segment.end();
    });
    return executable ? ElfError::none : ElfError::entry_not_executable;
}

} // namespace

ElfError read_elf(Bytes file, ElfImage& image) {
    image = {};
    const Result<FileHeader> header = read_record<FileHeader>(file, 0);
    if (!header) return ElfError::truncated_header;
    const ElfError bad_header = check_header(*header);
    if (bad_header != ElfError::none) return bad_header;
    image.position_independent = header->type == type_shared;

    const Result<Bytes> table = sub_bytes(file, header->program_headers,
                                          header->program_header_count * sizeof(ProgramHeader));
    if (!table) return ElfError::truncated_program_headers;
    for (std::size_t i = 0; i < header->program_header_count; ++i) {
        const auto entry = read_record<ProgramHeader>(*table, i * sizeof(ProgramHeader));
        if (!entry) return ElfError::truncated_program_headers;
        if (entry->type == segment_interpreter) return ElfError::needs_interpreter;
        if (entry->type == segment_gnu_stack && (entry->flags & flag_execute) != 0) {
            return ElfError::executable_stack;
        }
        if (entry->type != segment_load) continue;
        const ElfError bad_segment = add_segment(*entry, file.size(), image);
        if (bad_segment != ElfError::none) return bad_segment;
    }
    return finish(*header, image);
}

const char* describe(ElfError error) {
    switch (error) {
#define TABULA_ELF_WORDS(name, words)                                                              \
    case ElfError::name: return words;
        TABULA_ELF_ERRORS(TABULA_ELF_WORDS)
#undef TABULA_ELF_WORDS
    }
    return "unknown ELF error";
}

Error error_of(ElfError error) {
    switch (error) {
    case ElfError::wrong_machine:
    case ElfError::needs_interpreter:
    case ElfError::executable_stack:
    case ElfError::writable_and_executable: return Error::unsupported;
    case ElfError::too_many_segments: return Error::limit_reached;
    default: return Error::bad_format;
    }
}

} // namespace lib
