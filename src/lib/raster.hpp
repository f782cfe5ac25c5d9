// SPDX-License-Identifier: MIT
// Draws terminal cells into a linear framebuffer of any geometry and any direct-colour format.
#pragma once

#include "lib/cell_grid.hpp"
#include "lib/psf.hpp"

#include <cstdint>
#include <span>

namespace lib {

/// Where a colour's bits lie within a pixel.
struct PixelChannel {
    std::uint8_t position = 0; // of the lowest bit
    std::uint8_t size = 0;     // in bits
    constexpr bool operator==(const PixelChannel&) const = default;
};

/// A framebuffer as firmware describes it; nothing in it is trusted.
struct Framebuffer {
    std::span<std::byte> memory; // all of it that is mapped
    std::uint32_t pitch = 0;     // bytes from one line to the next
    std::uint32_t width = 0;     // pixels
    std::uint32_t height = 0;
    std::uint8_t bits_per_pixel = 0; // 15, 16, 24 or 32
    PixelChannel red, green, blue;
};

/// Draws nothing until attached. Not locked: one user at a time.
class Raster {
public:
    /// unsupported: no such pixel format; bad_format: the description contradicts itself or the
    /// memory is too small for it; invalid_argument: the font is empty. `font` must outlive this.
    Result<void> attach(const Framebuffer& framebuffer, const PsfFont& font);

    /// The cells that fit; 0 when even one does not.
    unsigned columns() const { return font_ == nullptr ? 0 : target_.width / font_->width(); }
    unsigned rows() const { return font_ == nullptr ? 0 : target_.height / font_->height(); }

    /// Draws one cell; outside the screen it draws nothing.
    void draw(CellPosition position, const Cell& cell);
    /// Paints the whole screen, the margin around the cells included.
    void clear(Colour colour);
    /// The pixel value of a colour in this framebuffer's format.
    std::uint32_t pixel(Colour colour) const;

private:
    void put_line(std::uint32_t x, std::uint32_t y, std::span<const std::byte> pixels);

    Framebuffer target_;
    const PsfFont* font_ = nullptr;
    unsigned pixel_bytes_ = 0;
};

} // namespace lib
