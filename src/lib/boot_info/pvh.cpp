// SPDX-License-Identifier: MIT
// Following the PVH start information's pointers.
#include "lib/boot_info/pvh.hpp"

#include "lib/boot_info/rsdp.hpp"

namespace lib::boot_info {

namespace {

struct StartInfo {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t flags;
    std::uint32_t module_count;
    std::uint64_t modules;
    std::uint64_t command_line;
    std::uint64_t rsdp;
    // From version 1 on:
    std::uint64_t memory_map;
    std::uint32_t memory_map_count;
    std::uint32_t reserved;
};
static_assert(sizeof(StartInfo) == 56);

struct Module {
    std::uint64_t start;
    std::uint64_t bytes;
    std::uint64_t command_line;
    std::uint64_t reserved;
};

struct MemoryMapEntry {
    std::uint64_t start;
    std::uint64_t bytes;
    std::uint32_t type;
    std::uint32_t reserved;
};

constexpr std::uint32_t start_info_magic = 0x336ec578;
constexpr std::uint32_t count_limit = 1024; // of modules and ranges: more is nonsense

Result<void> read_modules(Bytes memory, const StartInfo& info, BootInformation& information) {
    if (info.module_count == 0) return {};
    if (info.module_count > count_limit) return Error::bad_format;
    const std::uint64_t bytes = info.module_count * sizeof(Module);
    const Bytes list = TRY(sub_bytes(memory, info.modules, bytes));
    TRY(information.memory.add(info.modules, bytes, MemoryType::boot_data));
    for (std::uint64_t at = 0; at < bytes; at += sizeof(Module)) {
        const auto module = TRY(read_record<Module>(list, at));
        if (module.start >= physical_limit || module.bytes > physical_limit - module.start) {
            return Error::bad_format;
        }
        TRY(information.memory.add(module.start, module.bytes, MemoryType::boot_data));
        if (!information.module) {
            information.module = PhysRange{{module.start}, {module.start + module.bytes}};
        }
    }
    return {};
}

Result<void> read_memory_map(Bytes memory, const StartInfo& info, BootInformation& information) {
    if (info.memory_map_count > count_limit) return Error::bad_format;
    const std::uint64_t bytes = info.memory_map_count * sizeof(MemoryMapEntry);
    const Bytes list = TRY(sub_bytes(memory, info.memory_map, bytes));
    TRY(information.memory.add(info.memory_map, bytes, MemoryType::boot_data));
    for (std::uint64_t at = 0; at < bytes; at += sizeof(MemoryMapEntry)) {
        const auto entry = TRY(read_record<MemoryMapEntry>(list, at));
        TRY(information.memory.add(entry.start, entry.bytes, memory_type(entry.type)));
    }
    return {};
}

Result<void> read_command_line(Bytes memory, const StartInfo& info, BootInformation& information) {
    if (info.command_line == 0) return {};
    if (info.command_line >= memory.size()) return Error::bad_format;
    const Bytes rest = memory.subspan(info.command_line);
    const std::size_t most = information.command_line_bytes.size();
    information.set_command_line(as_text(rest.first(std::min(rest.size(), most))));
    return information.memory.add(info.command_line, information.command_line_size + 1,
                                  MemoryType::boot_data);
}

} // namespace

Result<void> parse_pvh(Bytes memory, PhysAddr start, BootInformation& information) {
    const auto info = TRY(read_record<StartInfo>(memory, start.value));
    if (info.magic != start_info_magic) return Error::bad_format;
    if (info.version < 1 || info.memory_map_count == 0) return Error::unsupported;
    TRY(information.memory.add(start.value, sizeof info, MemoryType::boot_data));
    TRY(read_memory_map(memory, info, information));
    TRY(read_modules(memory, info, information));
    TRY(read_command_line(memory, info, information));
    if (info.rsdp != 0 && info.rsdp < memory.size()) {
        if (auto rsdp = read_rsdp(memory.subspan(info.rsdp))) information.rsdp = *rsdp;
    }
    return {};
}

} // namespace lib::boot_info
