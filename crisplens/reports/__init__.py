"""What people read: reports made from the areas' queries; nothing here writes to the record."""
