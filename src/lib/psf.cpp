// SPDX-License-Identifier: MIT
// PC screen fonts: header, glyphs, and the table that says which characters a glyph stands for.
#include "lib/psf.hpp"

#include "lib/utf8.hpp"

namespace lib {
namespace {

struct Header1 {
    std::uint16_t magic; // 0x0436
    std::uint8_t mode;   // bit 0: 512 glyphs; bits 1 and 2: a Unicode table follows
    std::uint8_t height; // and the bytes of a glyph, which is 8 pixels wide
};
static_assert(sizeof(Header1) == 4);

struct Header2 {
    std::uint32_t magic; // 0x864AB572
    std::uint32_t version;
    std::uint32_t header_bytes;
    std::uint32_t flags; // bit 0: a Unicode table follows
    std::uint32_t glyph_count;
    std::uint32_t glyph_bytes;
    std::uint32_t height;
    std::uint32_t width;
};
static_assert(sizeof(Header2) == 32);

constexpr std::uint16_t magic_1 = 0x0436;
constexpr std::uint32_t magic_2 = 0x864A'B572;
constexpr std::uint32_t max_glyphs = 0xFFFE; // latin_ holds a number + 1 in 16 bits

} // namespace

Result<void> PsfFont::load(Bytes file) {
    *this = {};
    Result<void> result = read_header(file);
    if (result.ok()) result = index_table();
    if (!result.ok()) *this = {};
    return result;
}

Result<void> PsfFont::read_header(Bytes file) {
    std::uint64_t start = 0;
    bool has_table = false;
    std::uint32_t count = 0;
    if (TRY(read_record<std::uint16_t>(file, 0)) == magic_1) {
        const Header1 header = TRY(read_record<Header1>(file, 0));
        start = sizeof(Header1);
        count = (header.mode & 1) != 0 ? 512 : 256;
        has_table = (header.mode & 6) != 0;
        width_ = 8;
        height_ = header.height;
        glyph_bytes_ = header.height;
    } else {
        const Header2 header = TRY(read_record<Header2>(file, 0));
        if (header.magic != magic_2 || header.version != 0) return Error::bad_format;
        if (header.header_bytes < sizeof(Header2)) return Error::bad_format;
        start = header.header_bytes;
        count = header.glyph_count;
        has_table = (header.flags & 1) != 0;
        utf8_table_ = true;
        width_ = header.width;
        height_ = header.height;
        glyph_bytes_ = header.glyph_bytes;
    }
    if (width_ == 0 || width_ > max_side || height_ == 0 || height_ > max_side) {
        return Error::bad_format;
    }
    if (count == 0 || count > max_glyphs) return Error::bad_format;
    if (glyph_bytes_ < height_ * ((width_ + 7) / 8)) return Error::bad_format;
    const std::uint64_t size = std::uint64_t{count} * glyph_bytes_;
    glyphs_ = TRY(sub_bytes(file, start, size));
    if (has_table) {
        table_ = TRY(sub_bytes(file, start + size, file.size() - start - size));
        if (table_.empty()) return Error::bad_format;
    }
    glyph_count_ = count;
    return {};
}

/// Calls visit(code point, glyph) for each character that a single glyph stands for, until it
/// returns false; sequences of several characters are passed over. False when the table is cut.
template <typename Visit>
bool PsfFont::walk(Visit visit) const {
    std::uint32_t glyph = 0;
    bool in_sequence = false;
    if (utf8_table_) {
        std::string_view text = as_text(table_);
        while (glyph < glyph_count_) {
            if (text.empty()) return false;
            const auto byte = static_cast<unsigned char>(text.front());
            if (byte == 0xFE || byte == 0xFF) { // a sequence begins; the glyph's entry ends
                text.remove_prefix(1);
                in_sequence = byte == 0xFE;
                if (byte == 0xFF) ++glyph;
                continue;
            }
            const char32_t code_point = take_code_point(text);
            if (!in_sequence && !visit(code_point, glyph)) return true;
        }
        return true;
    }
    for (std::uint64_t at = 0; glyph < glyph_count_; at += 2) {
        const auto unit = read_record<std::uint16_t>(table_, at);
        if (!unit) return false;
        if (*unit == 0xFFFF || *unit == 0xFFFE) {
            in_sequence = *unit == 0xFFFE;
            if (*unit == 0xFFFF) ++glyph;
        } else if (!in_sequence && !visit(char32_t{*unit}, glyph)) {
            return true;
        }
    }
    return true;
}

Result<void> PsfFont::index_table() {
    if (!table_.empty()) {
        const bool complete = walk([this](char32_t code_point, std::uint32_t glyph) {
            if (code_point < latin_.size() && latin_[code_point] == 0) {
                latin_[code_point] = static_cast<std::uint16_t>(glyph + 1);
            }
            return true;
        });
        if (!complete) return Error::bad_format;
    }
    fallback_ = find(replacement_character);
    if (fallback_ == no_glyph) fallback_ = find(U'?');
    if (fallback_ == no_glyph) fallback_ = 0;
    return {};
}

std::uint32_t PsfFont::find(char32_t code_point) const {
    if (table_.empty()) return code_point < glyph_count_ ? code_point : no_glyph;
    if (code_point < latin_.size()) {
        const std::uint32_t glyph = latin_[code_point];
        return glyph == 0 ? no_glyph : glyph - 1;
    }
    std::uint32_t found = no_glyph;
    walk([&](char32_t candidate, std::uint32_t glyph) {
        if (candidate == code_point) found = glyph;
        return found == no_glyph;
    });
    return found;
}

Glyph PsfFont::glyph(char32_t code_point) const {
    std::uint32_t number = find(code_point);
    if (number == no_glyph) number = fallback_;
    const std::uint64_t offset = std::uint64_t{number} * glyph_bytes_;
    return {glyphs_.subspan(offset, glyph_bytes_), width_, height_, (width_ + 7) / 8};
}

} // namespace lib
