// SPDX-License-Identifier: MIT
// Walking through the Multiboot2 tags.
#include "lib/boot_info/multiboot2.hpp"

#include "lib/boot_info/rsdp.hpp"

namespace lib::boot_info {

namespace {

struct InformationHeader {
    std::uint32_t total_size;
    std::uint32_t reserved;
};

struct TagHeader {
    std::uint32_t type;
    std::uint32_t size; // with this header, without the padding to 8 bytes
};

enum TagType : std::uint32_t {
    tag_end = 0,
    tag_command_line = 1,
    tag_module = 3,
    tag_memory_map = 6,
    tag_framebuffer = 8,
    tag_efi_system_table_32 = 11,
    tag_efi_system_table_64 = 12,
    tag_rsdp_version1 = 14,
    tag_rsdp_version2 = 15,
    tag_efi_memory_map = 17,
};

struct ModuleTag {
    std::uint32_t start;
    std::uint32_t end;
};

struct MemoryMapTag {
    std::uint32_t entry_size;
    std::uint32_t entry_version;
};

struct MemoryMapEntry {
    std::uint64_t start;
    std::uint64_t bytes;
    std::uint32_t type;
    std::uint32_t reserved;
};

struct FramebufferTag {
    std::uint64_t address;
    std::uint32_t pitch;
    std::uint32_t width;
    std::uint32_t height;
    std::uint8_t bits_per_pixel;
    std::uint8_t kind; // 0 palette, 1 direct colour, 2 text
    std::uint16_t reserved;
};

struct ColourTag {
    ColourField red;
    ColourField green;
    ColourField blue;
};

Result<void> read_module(Bytes body, BootInformation& information) {
    const auto module = TRY(read_record<ModuleTag>(body, 0));
    if (module.end < module.start) return Error::bad_format;
    TRY(information.memory.add(module.start, module.end - module.start, MemoryType::boot_data));
    if (!information.module) information.module = PhysRange{{module.start}, {module.end}};
    return {};
}

Result<void> read_memory_map(Bytes body, BootInformation& information) {
    const auto header = TRY(read_record<MemoryMapTag>(body, 0));
    if (header.entry_size < sizeof(MemoryMapEntry)) return Error::bad_format;
    for (std::uint64_t at = sizeof header; at < body.size(); at += header.entry_size) {
        const auto entry = TRY(read_record<MemoryMapEntry>(body, at));
        TRY(information.memory.add(entry.start, entry.bytes, memory_type(entry.type)));
    }
    return {};
}

/// Whether lines of `width` pixels fit into the pitch, and the whole into the address space.
bool plausible(const FramebufferTag& tag) {
    if (tag.address == 0 || tag.width == 0 || tag.height == 0) return false;
    if (tag.address >= physical_limit) return false;
    const std::uint64_t line = std::uint64_t{tag.width} * ((tag.bits_per_pixel + 7U) / 8);
    if (line == 0 || line > tag.pitch) return false;
    return std::uint64_t{tag.pitch} * tag.height <= physical_limit - tag.address;
}

bool plausible(ColourField colour, unsigned bits_per_pixel) {
    return colour.bits != 0 && colour.bits <= 16 &&
           unsigned{colour.position} + colour.bits <= bits_per_pixel;
}

/// Some firmware has none, and some has none but sends a tag of zeros.
Result<Framebuffer> read_framebuffer(Bytes body) {
    const auto tag = TRY(read_record<FramebufferTag>(body, 0));
    if (!plausible(tag)) return Error::not_found;
    Framebuffer framebuffer{.address = {tag.address},
                            .pitch = tag.pitch,
                            .width = tag.width,
                            .height = tag.height,
                            .bits_per_pixel = tag.bits_per_pixel};
    if (tag.kind == 2) {
        framebuffer.kind = Framebuffer::Kind::text;
        return framebuffer;
    }
    if (tag.kind != 1) return Error::unsupported;
    const unsigned depth = tag.bits_per_pixel;
    if (depth != 15 && depth != 16 && depth != 24 && depth != 32) return Error::unsupported;
    const auto colours = TRY(read_record<ColourTag>(body, sizeof tag));
    if (!plausible(colours.red, depth) || !plausible(colours.green, depth) ||
        !plausible(colours.blue, depth)) {
        return Error::bad_format;
    }
    framebuffer.red = colours.red;
    framebuffer.green = colours.green;
    framebuffer.blue = colours.blue;
    return framebuffer;
}

Result<void> read_tag(std::uint32_t type, Bytes body, BootInformation& information) {
    switch (type) {
    case tag_command_line:
        if (information.command_line_size == 0) information.set_command_line(as_text(body));
        return {};
    case tag_module: return read_module(body, information);
    case tag_memory_map: return read_memory_map(body, information);
    case tag_framebuffer:
        if (auto framebuffer = read_framebuffer(body); framebuffer && !information.framebuffer) {
            information.framebuffer = *framebuffer;
        }
        return {};
    case tag_efi_system_table_32:
    case tag_efi_system_table_64:
    case tag_efi_memory_map: information.efi = true; return {};
    case tag_rsdp_version1:
    case tag_rsdp_version2:
        // The newer one knows more, whichever comes first.
        if (auto rsdp = read_rsdp(body);
            rsdp && (!information.rsdp || information.rsdp->size < rsdp->size)) {
            information.rsdp = *rsdp;
        }
        return {};
    default: return {};
    }
}

} // namespace

Result<void> parse_multiboot2(Bytes memory, PhysAddr start, BootInformation& information) {
    if (start.value % 8 != 0) return Error::bad_format;
    const auto header = TRY(read_record<InformationHeader>(memory, start.value));
    if (header.total_size < sizeof header + sizeof(TagHeader)) return Error::bad_format;
    const Bytes all = TRY(sub_bytes(memory, start.value, header.total_size));
    TRY(information.memory.add(start.value, header.total_size, MemoryType::boot_data));

    std::uint64_t at = sizeof header;
    while (true) {
        const auto tag = TRY(read_record<TagHeader>(all, at));
        if (tag.size < sizeof tag) return Error::bad_format;
        if (tag.type == tag_end) return {};
        const Bytes body = TRY(sub_bytes(all, at + sizeof tag, tag.size - sizeof tag));
        TRY(read_tag(tag.type, body, information));
        at += align_up(tag.size, 8);
    }
}

} // namespace lib::boot_info
