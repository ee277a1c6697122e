// Stands in for the library that draws dashboards: of a target it keeps the expression.
{ query: { prometheus: { new(datasource, expr): { expr: expr }, withLegendFormat(text): {} } } }
