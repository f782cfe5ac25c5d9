// SPDX-License-Identifier: MIT
// The cells of a terminal: changes, scrolling, damage.
#include "lib/cell_grid.hpp"

namespace lib {
namespace {

constexpr char32_t never_drawn = 0xFFFF'FFFF; // no character: differs from every cell

} // namespace

void CellGrid::attach(std::span<Cell> storage, unsigned columns, unsigned rows, const Cell& blank) {
    columns_ = std::min(columns, 0xFFFFU); // what a Span holds
    rows_ = std::min(rows, max_rows);
    if (columns_ == 0) rows_ = 0;
    while (storage_for(columns_, rows_) > storage.size()) --rows_;
    const std::size_t count = std::size_t{columns_} * rows_;
    cells_ = storage.first(count);
    shown_ = storage.subspan(count, count);
    shown_cursor_ = {};
    std::ranges::fill(cells_, blank);
    for (unsigned row = 0; row < rows_; ++row) order_[row] = static_cast<std::uint16_t>(row);
    damage_all();
}

const Cell& CellGrid::at(CellPosition position) const {
    return row_cells(position.row)[position.column];
}

void CellGrid::set(CellPosition position, const Cell& cell) {
    row_cells(position.row)[position.column] = cell;
    damage(position.row, position.column, position.column + 1);
}

void CellGrid::fill(unsigned row, unsigned first, unsigned end, const Cell& cell) {
    end = std::min(end, columns_);
    if (first >= end) return;
    std::ranges::fill(row_cells(row).subspan(first, end - first), cell);
    damage(row, first, end);
}

void CellGrid::insert_cells(CellPosition position, unsigned count, const Cell& blank) {
    const std::span<Cell> tail = row_cells(position.row).subspan(position.column);
    count = std::min(count, columns_ - position.column);
    std::move_backward(tail.begin(), tail.end() - count, tail.end());
    damage(position.row, position.column, columns_);
    fill(position.row, position.column, position.column + count, blank);
}

void CellGrid::delete_cells(CellPosition position, unsigned count, const Cell& blank) {
    const std::span<Cell> tail = row_cells(position.row).subspan(position.column);
    count = std::min(count, columns_ - position.column);
    std::move(tail.begin() + count, tail.end(), tail.begin());
    damage(position.row, position.column, columns_);
    fill(position.row, columns_ - count, columns_, blank);
}

void CellGrid::scroll_up(unsigned top, unsigned end, unsigned count, const Cell& blank) {
    if (top >= end) return;
    count = std::min(count, end - top);
    std::rotate(order_.begin() + top, order_.begin() + top + count, order_.begin() + end);
    for (unsigned row = top; row < end; ++row) damage(row, 0, columns_);
    for (unsigned row = end - count; row < end; ++row) fill(row, 0, columns_, blank);
}

void CellGrid::scroll_down(unsigned top, unsigned end, unsigned count, const Cell& blank) {
    if (top >= end) return;
    count = std::min(count, end - top);
    std::rotate(order_.begin() + top, order_.begin() + end - count, order_.begin() + end);
    for (unsigned row = top; row < end; ++row) damage(row, 0, columns_);
    for (unsigned row = top; row < top + count; ++row) fill(row, 0, columns_, blank);
}

void CellGrid::damage_all() {
    for (Cell& cell : shown_) cell.code_point = never_drawn;
    for (unsigned row = 0; row < rows_; ++row) damage(row, 0, columns_);
}

void CellGrid::damage(unsigned row, unsigned first, unsigned end) {
    Span& span = damage_[row];
    if (span.first == span.end) {
        span = {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(end)};
    } else {
        span.first = std::min(span.first, static_cast<std::uint16_t>(first));
        span.end = std::max(span.end, static_cast<std::uint16_t>(end));
    }
}

} // namespace lib
