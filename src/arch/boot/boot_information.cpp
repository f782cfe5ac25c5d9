// SPDX-License-Identifier: MIT
// Handing the loader's data to the parsers, and the command line's words.
#include "arch/boot/boot_information.hpp"

#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/panic.hpp"
#include "lib/boot_info/multiboot2.hpp"
#include "lib/boot_info/pvh.hpp"
#include "lib/boot_info/rsdp.hpp"

namespace arch {

namespace boot_info = lib::boot_info;

namespace {

constinit boot_info::BootInformation information{};

/// Splits the next word off `line`; empty at its end.
std::string_view next_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

constexpr std::string_view run_prefix = "run=";

} // namespace

void read_boot_information(BootProtocol protocol, PhysAddr start) {
    // The first page tables show the lowest 4 GiB, which is where loaders leave their data.
    const lib::Bytes memory(static_cast<const std::byte*>(layout::direct(PhysAddr{0})), 1ULL << 32);
    const auto result = protocol == BootProtocol::multiboot2
                            ? boot_info::parse_multiboot2(memory, start, information)
                            : boot_info::parse_pvh(memory, start, information);
    if (!result) {
        log("boot information at {}: {}", start, result.error());
        panic("the boot information makes no sense");
    }
    if (!information.rsdp && !information.efi) {
        if (const auto found = boot_info::find_rsdp(memory)) information.rsdp = *found;
    }
}

const boot_info::BootInformation& boot_information() { return information; }

bool has_boot_word(std::string_view word) {
    std::string_view line = information.command_line();
    for (auto next = next_word(line); !next.empty(); next = next_word(line)) {
        if (next.starts_with(run_prefix)) return false;
        if (next == word) return true;
    }
    return false;
}

std::optional<std::string_view> boot_word_value(std::string_view name) {
    std::string_view line = information.command_line();
    for (auto next = next_word(line); !next.empty(); next = next_word(line)) {
        if (next.starts_with(run_prefix)) break;
        if (next.size() <= name.size() || !next.starts_with(name) || next[name.size()] != '=')
            continue;
        next.remove_prefix(name.size() + 1);
        return next;
    }
    return std::nullopt;
}

std::string_view run_line_of_command_line() {
    std::string_view line = information.command_line();
    while (true) {
        const std::string_view word = next_word(line);
        if (word.empty()) return {};
        if (!word.starts_with(run_prefix)) continue;
        const char* start = word.data() + run_prefix.size();
        const std::string_view whole = information.command_line();
        return {start, static_cast<std::size_t>(whole.data() + whole.size() - start)};
    }
}

} // namespace arch
