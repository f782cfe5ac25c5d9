// SPDX-License-Identifier: MIT
// Draws terminal cells into a linear framebuffer, one line of pixels at a time: framebuffers are
// slow, so each byte is written once, in order, and none is ever read.
#include "lib/raster.hpp"

#include <algorithm>
#include <array>

namespace lib {
namespace {

bool fits(PixelChannel channel, unsigned bits) {
    return channel.size != 0 && channel.position + channel.size <= bits;
}

std::uint32_t mask(PixelChannel channel) {
    const std::uint64_t ones = (std::uint64_t{1} << channel.size) - 1;
    return static_cast<std::uint32_t>(ones << channel.position);
}

/// An 8-bit intensity in a channel of any size: cut off, or widened by repeating its bits.
std::uint32_t place(PixelChannel channel, std::uint8_t intensity) {
    const std::uint32_t wide = intensity * 0x0101'0101U;
    return (wide >> (32 - channel.size)) << channel.position;
}

void store(std::span<std::byte> line, std::size_t offset, unsigned bytes, std::uint32_t value) {
    for (unsigned i = 0; i < bytes; ++i) {
        line[offset + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

} // namespace

Result<void> Raster::attach(const Framebuffer& framebuffer, const PsfFont& font) {
    font_ = nullptr;
    if (font.empty()) return Error::invalid_argument;
    const unsigned bits = framebuffer.bits_per_pixel;
    if (bits != 15 && bits != 16 && bits != 24 && bits != 32) return Error::unsupported;
    const std::array channels{framebuffer.red, framebuffer.green, framebuffer.blue};
    std::uint32_t used = 0;
    for (const PixelChannel channel : channels) {
        if (!fits(channel, bits) || (used & mask(channel)) != 0) return Error::bad_format;
        used |= mask(channel);
    }
    const unsigned pixel_bytes = (bits + 7) / 8;
    const std::uint64_t line_bytes = std::uint64_t{framebuffer.width} * pixel_bytes;
    if (line_bytes == 0 || framebuffer.height == 0 || framebuffer.pitch < line_bytes) {
        return Error::bad_format;
    }
    const std::uint64_t last_line = std::uint64_t{framebuffer.pitch} * (framebuffer.height - 1);
    if (last_line + line_bytes > framebuffer.memory.size()) return Error::bad_format;
    target_ = framebuffer;
    font_ = &font;
    pixel_bytes_ = pixel_bytes;
    return {};
}

std::uint32_t Raster::pixel(Colour colour) const {
    return place(target_.red, colour.red) | place(target_.green, colour.green) |
           place(target_.blue, colour.blue);
}

void Raster::draw(CellPosition position, const Cell& cell) {
    if (position.column >= columns() || position.row >= rows()) return;
    // Halves of a cell are drawn: few console fonts have them, and they must fill it.
    constexpr char32_t upper_half = U'\u2580';
    constexpr char32_t lower_half = U'\u2584';
    const bool halved = cell.code_point == upper_half || cell.code_point == lower_half;
    const Glyph glyph = font_->glyph(halved ? U' ' : cell.code_point);
    const std::uint32_t ink = pixel(cell.foreground);
    const std::uint32_t paper = pixel(cell.background);
    const unsigned underline = cell.underline ? glyph.height - 1 : glyph.height;
    std::array<std::byte, PsfFont::max_side * 4> buffer;
    const auto line = std::span(buffer).first(std::size_t{glyph.width} * pixel_bytes_);
    for (unsigned y = 0; y < glyph.height; ++y) {
        const bool half = halved && (y < glyph.height / 2) == (cell.code_point == upper_half);
        for (unsigned x = 0; x < glyph.width; ++x) {
            const bool set = y == underline || half || (!halved && glyph.pixel(x, y));
            store(line, std::size_t{x} * pixel_bytes_, pixel_bytes_, set ? ink : paper);
        }
        put_line(position.column * glyph.width, position.row * glyph.height + y, line);
    }
}

void Raster::clear(Colour colour) {
    if (font_ == nullptr) return;
    constexpr std::uint32_t chunk = 128; // pixels
    std::array<std::byte, chunk * 4> buffer;
    for (unsigned x = 0; x < chunk; ++x) {
        store(buffer, std::size_t{x} * pixel_bytes_, pixel_bytes_, pixel(colour));
    }
    for (std::uint32_t y = 0; y < target_.height; ++y) {
        for (std::uint32_t x = 0; x < target_.width;) {
            const std::uint32_t count = std::min(chunk, target_.width - x);
            put_line(x, y, std::span(buffer).first(std::size_t{count} * pixel_bytes_));
            x += count;
        }
    }
}

void Raster::put_line(std::uint32_t x, std::uint32_t y, std::span<const std::byte> pixels) {
    const std::uint64_t offset = std::uint64_t{y} * target_.pitch + std::uint64_t{x} * pixel_bytes_;
    std::ranges::copy(pixels, target_.memory.subspan(offset, pixels.size()).begin());
}

} // namespace lib
