// SPDX-License-Identifier: MIT
// What whoever started the machine wants processes to know: words, the run line, the boot archive.
#include "arch/boot/boot_information.hpp"
#include "arch/fw_cfg.hpp"
#include "arch/log.hpp"
#include "proc/port.hpp"

#include <algorithm>
#include <array>

namespace proc::port {
namespace {

constexpr std::string_view run_line_file = "opt/tabula/run";

constinit std::array<char, 4096> firmware_line{};

} // namespace

std::span<const char> boot_words() { return arch::boot_information().command_line(); }

std::span<const char> run_line() {
    const auto size = arch::fw_cfg::read_file(run_line_file, firmware_line);
    if (!size || *size == 0) return arch::run_line_of_command_line();
    if (*size > firmware_line.size()) {
        // Half a line could do anything.
        arch::log("run line: {} bytes, more than {}: not run", *size, firmware_line.size());
        return {};
    }
    return std::span{firmware_line}.first(*size);
}

Archive boot_archive() {
    const auto& module = arch::boot_information().module;
    if (!module) return {};
    return {module->start, module->bytes()};
}

} // namespace proc::port
