// SPDX-License-Identifier: MIT
// A terminal: UTF-8 and ECMA-48 / VT100 escape sequences in, cells and a cursor out.
// It draws nothing itself: take_damage() hands out what changed. Not locked: one user at a time.
#pragma once

#include "lib/cell_grid.hpp"
#include "lib/escape_parser.hpp"
#include "lib/utf8.hpp"

#include <span>
#include <string_view>
#include <utility>

namespace lib {

/// Understands: BS HT LF CR; ESC 7 8 c D E M; CSI A–H J K L M P S T X @ ` a d e f m r s u;
/// CSI ? 7 and 25 h/l (wrap, cursor). Everything else is swallowed whole. A line feed also returns
/// the carriage, since what programs here write ends its lines with LF alone.
class Terminal {
public:
    /// Takes `storage`, of CellGrid::storage_for(columns, rows) cells. The screen becomes blank.
    void attach(std::span<Cell> storage, unsigned columns, unsigned rows);

    void write(std::string_view bytes);

    unsigned columns() const { return grid_.columns(); }
    unsigned rows() const { return grid_.rows(); }
    CellPosition cursor() const { return cursor_; }
    bool cursor_visible() const { return cursor_visible_; }
    /// Precondition: the position lies on the screen.
    const Cell& cell(CellPosition position) const { return grid_.at(position); }

    /// Calls draw(CellPosition, const Cell&) for each place that must be drawn anew.
    template <typename Draw>
    void take_damage(Draw&& draw) {
        grid_.take_damage(cursor_, cursor_visible_, std::forward<Draw>(draw));
    }
    /// Everything must be drawn anew.
    void damage_all() { grid_.damage_all(); }

private:
    /// A colour as it was chosen: a palette entry stays one, for bold text is its brighter half.
    struct ColourChoice {
        enum class Kind : std::uint8_t { standard, palette, direct } kind = Kind::standard;
        std::uint8_t index = 0;
        Colour colour{};
    };
    struct Rendition {
        ColourChoice foreground;
        ColourChoice background;
        bool bold = false;
        bool underline = false;
        bool reverse = false;
        bool concealed = false;
    };
    struct Saved {
        CellPosition cursor;
        Rendition rendition;
        bool wrap_pending = false;
    };

    static Colour resolve(const ColourChoice& choice, Colour standard, bool bright);
    static std::size_t choose_colour(const EscapeSequence& sequence, std::size_t at,
                                     ColourChoice& choice);

    Cell make_cell(char32_t code_point) const;
    Cell blank() const;
    void accept(char32_t c);
    void print(char32_t c);
    void obey_control(char32_t c);
    void obey_escape(const EscapeSequence& sequence);
    void obey_sequence(const EscapeSequence& sequence);
    void move_or_edit(const EscapeSequence& sequence);
    void set_mode(const EscapeSequence& sequence, bool on);
    void set_rendition(const EscapeSequence& sequence);
    void set_scroll_region(const EscapeSequence& sequence);
    void erase_in_display(unsigned what);
    void erase_in_line(unsigned what);
    void index();
    void reverse_index();
    void move_to(unsigned column, unsigned row);
    void reset();
    void save() { saved_ = {cursor_, rendition_, wrap_pending_}; }
    void restore();

    CellGrid grid_;
    Utf8Decoder decoder_;
    EscapeParser parser_;
    CellPosition cursor_{};
    Rendition rendition_{};
    Saved saved_{};
    unsigned region_top_ = 0; // rows that scroll: [top, end)
    unsigned region_end_ = 0;
    bool wrap_ = true;
    bool wrap_pending_ = false; // the last column is written: the next character wraps first
    bool cursor_visible_ = true;
};

} // namespace lib
