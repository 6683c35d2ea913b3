// Cells as Arrow values and back: which Arrow type holds a column, and every value exactly.
// Knows nothing of files, keys or snapshots.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/core/value.h"
#include "pipeline/formats/arrow.h"

namespace lockstep {

// What the values seen so far ask of their column's type; 0: nothing special. Facts of all rows
// are those of any parts of them, or-ed: the type depends on the rows alone.
using CellFacts = uint8_t;

// docs/formats/arrow.md has the table.
ArrowType arrow_type(ValueTag tag, CellFacts facts);
CellFacts cell_facts(const Value& value);

// Adds a value whose facts the builder's type takes; NULL too.
void add_cell(ArrowBuilder& builder, const Value& value);
// Reads back what add_cell wrote from a column of `tag`. Throws corrupt where the number is none
// of the type's values (a date after the year 9999).
Value read_cell(const ArrowArray& array, uint64_t row, ValueTag tag);

// A column under way: takes values, and another type when one does not fit the one it has.
class CellColumn {
 public:
  // `facts` of earlier parts of the same column.
  CellColumn(Column column, CellFacts facts);
  // Throws invalid where the value is of another type than the column.
  void add(const Value& value);
  CellFacts facts() const { return facts_; }
  ArrowArray array() const { return builder_.array(); }

 private:
  Column column_;
  CellFacts facts_;
  ArrowBuilder builder_;
};

// The values of `array` in another type; both hold values of `tag`.
ArrowBuilder converted(const ArrowArray& array, ValueTag tag, ArrowType to);

}  // namespace lockstep
