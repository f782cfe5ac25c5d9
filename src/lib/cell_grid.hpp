// SPDX-License-Identifier: MIT
// The cells of a terminal, over memory the caller gives, with track of what changed on the screen.
#pragma once

#include "lib/colour.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace lib {

/// What one place of the screen shows.
struct Cell {
    char32_t code_point = U' ';
    Colour foreground{};
    Colour background{};
    bool underline = false;
    constexpr bool operator==(const Cell&) const = default;
};

struct CellPosition {
    unsigned column = 0;
    unsigned row = 0;
    constexpr bool operator==(const CellPosition&) const = default;
};

/// Rows are reached through a permutation, so that scrolling moves numbers, not cells. Beside each
/// cell stands what the screen shows there: only differences are drawn.
class CellGrid {
public:
    static constexpr unsigned max_rows = 512;
    /// Cells of storage for a grid of that size.
    static constexpr std::size_t storage_for(unsigned columns, unsigned rows) {
        return std::size_t{2} * columns * rows;
    }

    /// Takes `storage`; rows that it or max_rows has no room for are left off. All is blank and
    /// damaged. Without columns or rows the grid is empty, and everything has no effect.
    void attach(std::span<Cell> storage, unsigned columns, unsigned rows, const Cell& blank);

    constexpr unsigned columns() const { return columns_; }
    constexpr unsigned rows() const { return rows_; }

    // Positions below must lie in the grid; ranges are half-open, and cut to the grid's edge.
    const Cell& at(CellPosition position) const;
    void set(CellPosition position, const Cell& cell);
    void fill(unsigned row, unsigned first, unsigned end, const Cell& cell);
    /// Moves the cells from `column` on to the right (left), within the row.
    void insert_cells(CellPosition position, unsigned count, const Cell& blank);
    void delete_cells(CellPosition position, unsigned count, const Cell& blank);
    /// Moves the rows [top, end) up (down); rows that come in are blank.
    void scroll_up(unsigned top, unsigned end, unsigned count, const Cell& blank);
    void scroll_down(unsigned top, unsigned end, unsigned count, const Cell& blank);

    /// Says that the screen no longer shows what was drawn.
    void damage_all();
    /// Calls draw(position, cell) for each place whose look differs from what was last drawn;
    /// the cell under a visible cursor is drawn with its colours exchanged.
    template <typename Draw>
    void take_damage(CellPosition cursor, bool cursor_visible, Draw&& draw);

private:
    struct Span {
        std::uint16_t first = 0;
        std::uint16_t end = 0;
    };

    std::span<Cell> row_cells(unsigned row) const {
        return cells_.subspan(std::size_t{order_[row]} * columns_, columns_);
    }
    void damage(unsigned row, unsigned first, unsigned end);

    std::span<Cell> cells_;
    std::span<Cell> shown_;
    unsigned columns_ = 0;
    unsigned rows_ = 0;
    CellPosition shown_cursor_{};
    std::array<std::uint16_t, max_rows> order_{};
    std::array<Span, max_rows> damage_{};
};

template <typename Draw>
void CellGrid::take_damage(CellPosition cursor, bool cursor_visible, Draw&& draw) {
    if (rows_ == 0) return;
    damage(shown_cursor_.row, shown_cursor_.column, shown_cursor_.column + 1);
    damage(cursor.row, cursor.column, cursor.column + 1);
    shown_cursor_ = cursor;
    for (unsigned row = 0; row < rows_; ++row) {
        const Span span = std::exchange(damage_[row], Span{});
        const std::span<Cell> now = row_cells(row);
        const std::span<Cell> shown = shown_.subspan(std::size_t{row} * columns_, columns_);
        for (unsigned column = span.first; column < span.end; ++column) {
            Cell cell = now[column];
            if (cursor_visible && cursor == CellPosition{column, row}) {
                std::swap(cell.foreground, cell.background);
            }
            if (cell == shown[column]) continue;
            shown[column] = cell;
            draw(CellPosition{column, row}, static_cast<const Cell&>(cell));
        }
    }
}

} // namespace lib
