// SPDX-License-Identifier: MIT
// QEMU's firmware configuration device: small files given to the machine from outside.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace arch::fw_cfg {

/// Reads the file of that name (at most 55 characters) into `buffer`; what doesn't fit is left out.
/// Gives the file's length, or nothing where there is no such file, no device, or no hypervisor
/// (on real machines other things may live at these ports, so they are not touched there).
/// Source: QEMU, docs/specs/fw_cfg.
std::optional<std::size_t> read_file(std::string_view name, std::span<char> buffer);

} // namespace arch::fw_cfg
