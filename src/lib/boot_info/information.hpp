// SPDX-License-Identifier: MIT
// What the kernel learns from whoever started it, the same for every boot protocol.
#pragma once

#include "lib/boot_info/memory_map.hpp"
#include "lib/bytes.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lib::boot_info {

/// Where a colour stands in a pixel.
struct ColourField {
    std::uint8_t position = 0; ///< of its lowest bit
    std::uint8_t bits = 0;
    constexpr bool operator==(const ColourField&) const = default;
};

/// A linear framebuffer, or VGA text.
struct Framebuffer {
    enum class Kind : std::uint8_t { pixels, text };

    Kind kind = Kind::pixels;
    PhysAddr address{};
    std::uint32_t pitch = 0;         ///< bytes from one line to the next
    std::uint32_t width = 0;         ///< pixels, or characters
    std::uint32_t height = 0;        ///< pixels, or characters
    std::uint8_t bits_per_pixel = 0; ///< 15, 16, 24 or 32; 16 for text
    ColourField red{};
    ColourField green{};
    ColourField blue{};
};

/// ACPI's root pointer, as bytes whose checksum was right: 20 (version 1) or 36.
struct Rsdp {
    std::array<std::byte, 36> bytes{};
    std::size_t size = 0;
};

/// Everything told. Nothing in it points into the loader's memory.
struct BootInformation {
    std::array<char, 2048> command_line_bytes{};
    std::size_t command_line_size = 0;
    std::optional<PhysRange> module; ///< the first module: the boot archive
    std::optional<Rsdp> rsdp;
    std::optional<Framebuffer> framebuffer;
    bool efi = false;
    RawMemoryMap memory; ///< the loader's own data and the modules added as boot_data

    std::string_view command_line() const { return {command_line_bytes.data(), command_line_size}; }
    /// Takes the text up to its first zero; what is longer than there is room for is cut off.
    void set_command_line(std::string_view text) {
        text = text.substr(0, text.find('\0'));
        command_line_size = std::min(text.size(), command_line_bytes.size());
        std::copy_n(text.data(), command_line_size, command_line_bytes.data());
    }
};

} // namespace lib::boot_info
